import json, subprocess
done = subprocess.run("raysq train forecast --data d --model mymodel:build --name again --epochs 1 --set steps_per_epoch=3 --json".split(), capture_output=True, text=True)
try:
    json.loads(done.stdout)
    print("right")
except ValueError as error:
    print(f"wrong: {error} {done.stdout[:80]!r}")
