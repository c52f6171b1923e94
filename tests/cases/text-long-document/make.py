"""Sixty rows: six words each, but for one of 40,000 words."""
import os
import sys

words = "amber birch cedar daisy elder fern grass hazel".split()
with open(os.path.join(sys.argv[1], "d.csv"), "w", encoding="utf-8") as file:
    file.write("text,label\n")
    for at in range(60):
        length = 40000 if at == 30 else 6
        file.write(" ".join(words[(at * 5 + k * k) % 8] for k in range(length)) + f",{'leaf' if at % 3 else 'root'}\n")
