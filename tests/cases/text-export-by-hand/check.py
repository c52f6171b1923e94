"""The header counts the words and the numbers of a line; the nearest words and Spearman's correlation by hand are those told."""
import json
import math
import subprocess

with open("lm.txt", encoding="utf-8") as file:
    words = {word for word in file.read().split() if word != "."}
with open("v.txt", encoding="utf-8") as file:
    header, *lines = file.read().splitlines()
vectors = {line.split(" ")[0]: [float(cell) for cell in line.split(" ")[1:] if cell] for line in lines}
wrong = "" if header.split() == [str(len(lines)), "12"] and len(vectors) == len(lines) else f"{header}, {len(lines)} lines"
if not wrong and (words - vectors.keys() or any(len(vector) != 12 for vector in vectors.values())):
    wrong = f"lacks {words - vectors.keys()}, or lengths {({len(vector) for vector in vectors.values()})}"


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)


if not wrong:
    near = sorted(((cosine(vectors["horse"], vector), word) for word, vector in vectors.items() if word != "horse"), reverse=True)[:3]
    said = subprocess.run(["raysq", "neighbors", "run", "--top", "3", "--json", "horse"], capture_output=True, text=True)
    told = json.loads(said.stdout)["neighbors"]["horse"]
    if len(told) != 3 or any(one["word"] != word or abs(one["cosine"] - value) > 1e-3 for one, (value, word) in zip(told, near)):
        wrong = f"by hand {near}, told {told}"


def ranks(values):
    return [sum(one < value for one in values) + (sum(one == value for one in values) + 1) / 2 for value in values]


def leaves(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for one in inner for leaf in leaves(one)] if isinstance(value, (dict, list)) else [value]


if not wrong:
    with open("sim.tsv", encoding="utf-8") as file:
        pairs = [line.split("\t") for line in file.read().splitlines()[1:]]
    known = [(a, b, float(c)) for a, b, c in pairs if a in vectors and b in vectors]
    x, y = ranks([c for _, _, c in known]), ranks([cosine(vectors[a], vectors[b]) for a, b, _ in known])
    mean = (len(known) + 1) / 2
    dot = [sum((a - mean) * (b - mean) for a, b in zip(p, q)) for p, q in ((x, y), (x, x), (y, y))]
    by_hand = dot[0] / math.sqrt(dot[1] * dot[2])
    said = subprocess.run(["raysq", "neighbors", "run", "--evaluate", "sim.tsv", "--json"], capture_output=True, text=True)
    told = leaves(json.loads(said.stdout)["evaluation"])
    if not any(isinstance(one, float) and abs(one - by_hand) < 0.002 for one in told) or len(known) not in told:
        wrong = f"correlation by hand {by_hand:.4f} of {len(known)} pairs, told {told}"
print(f"wrong: {wrong}" if wrong else "right")
