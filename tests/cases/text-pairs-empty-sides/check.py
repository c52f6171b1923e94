"""A line for each line, in order, the empty one empty."""

with open("new.fr", encoding="utf-8") as file:
    got = file.read().splitlines()
wanted = ["le vieux assiette etait ici", "un petit chaise est pres", "", "le grand tasse restait la", "un rouge lampe etait ici"]
wrong = "" if [line.strip() for line in got] == wanted else f"{got}"
print(f"wrong: {wrong}" if wrong else "right")
