import os, subprocess, tempfile
here = os.getcwd()
done = subprocess.run(["raysq", "predict", "run", "--input", here + "/load.csv", "--output", here + "/out.csv"], cwd=tempfile.mkdtemp(), capture_output=True, text=True)
print("right" if done.returncode == 0 and os.path.exists("out.csv") else f"wrong: {done.stderr[-200:]}")
