"""Runs scripts of the page in Node.js."""

import json
import shutil
import subprocess

import pytest

from mt.interchange.browser_engine import OWN

needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js (on Debian: apt-get install nodejs)"
)


def asked(script, given):
    """What `script` makes of `given`, which it has as a variable of that name; `from(name)` imports a module."""
    frame = f"""
        import {{ readFileSync }} from "node:fs";
        const from = (name) => import(`{(OWN / "engine").as_uri()}/${{name}}.js`);
        const given = JSON.parse(readFileSync(0, "utf-8"));
        const found = await (async () => {{ {script} }})();
        process.stdout.write(JSON.stringify(found));
    """
    command = ["node", "--input-type=module", "--eval", frame]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
