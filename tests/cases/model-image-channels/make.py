import pathlib, random, struct, sys, zlib

def png(path, value):
    raw = b"".join(b"\0" + bytes(min(255, value + random.randrange(40)) for _ in range(8)) for _ in range(8))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))

random.seed(3)
for name, value in (("dark", 20), ("light", 180)):
    folder = pathlib.Path(sys.argv[1]) / "set" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(30):
        png(folder / f"{number}.png", value)
