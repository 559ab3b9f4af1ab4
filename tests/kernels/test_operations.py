"""Each operation equals its torch line, forward and backward, for all types, odd sizes and instruction sets."""

from functools import partial

import pytest
import torch
from torch import nn

from mt.kernels import compiling
from mt.kernels import library as kernels
from mt.kernels import products as kernel_products
from mt.kernels.attention import attend, attends, split_heads, torch_attend
from mt.kernels.dropout import add_dropped, dropped
from mt.kernels.gate import gated, torch_gated
from mt.kernels.linear import Linear, linear, torch_linear
from mt.kernels.norm import norm, torch_norm
from mt.kernels.products import PlainProducts, TileProducts, VectorProducts, products
from mt.kernels.rotation import rotated, torch_rotated
from tests.kernels.levels import HERE, at_level

pytestmark = pytest.mark.skipif(not HERE, reason="no kernels on this machine")
DTYPES = [torch.float32, torch.bfloat16]
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 2e-5}, torch.bfloat16: {"rtol": 0.02, "atol": 0.03}}

levels = pytest.mark.parametrize("level", HERE)
widened = pytest.mark.parametrize("widens", [False, True], indirect=True, ids=["as it is", "widened"])
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])


@pytest.fixture(autouse=True)
def multiplies_bfloat16_by_avx512(monkeypatch):
    """As on processors that are not Intel's, so that this code is tested on Intel's too."""
    monkeypatch.setattr(kernels, "is_by_intel", lambda: False)


@pytest.fixture
def widens(request, monkeypatch):
    """Whether bfloat16 is multiplied in float32, as where the processor is faster at it."""
    monkeypatch.setattr(kernel_products, "is_faster_in_float32", lambda: request.param)
    return request.param


@pytest.mark.parametrize(
    "flags, is_intel, widens",
    [
        ({"avx2"}, False, True),  # torch would multiply number by number
        ({"avx2"}, True, True),
        ({"avx2", "avx512f", "avx512_bf16"}, True, True),
        ({"avx2", "avx512f", "avx512_bf16"}, False, False),
        ({"avx2", "avx512f", "avx512_bf16", "amx_bf16"}, True, False),
    ],
)
def test_bfloat16_is_widened_where_the_processor_multiplies_it_more_slowly_or_not_at_all(
    flags, is_intel, widens, monkeypatch
):
    monkeypatch.setattr(kernel_products, "processor_flags", lambda: frozenset(flags))
    monkeypatch.setattr(compiling, "is_by_intel", lambda: is_intel)
    assert kernel_products.is_faster_in_float32.__wrapped__() is widens


@levels
def test_a_widened_layer_does_not_ask_for_products_in_bfloat16(level, monkeypatch):
    x, layer = leaf(5, 16), Linear(16, 8)
    monkeypatch.setattr(kernel_products, "is_faster_in_float32", lambda: True)
    monkeypatch.setattr("mt.kernels.linear.multiplies", lambda dtype: dtype == torch.float32)
    with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16):
        assert type(layer(x).grad_fn).__name__ == "_LinearBackward"
        with torch.no_grad():  # nor for validation
            monkeypatch.setattr("mt.kernels.linear.torch_linear", lambda *_, **__: pytest.fail("torch's own product"))
            without_gradients = layer(x)
        torch.testing.assert_close(without_gradients, layer(x).detach())


@levels
@pytest.mark.parametrize("frozen", [[], [0], [1], [2], [0, 2]], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_what_is_frozen_gets_no_gradient(level, frozen, bias):
    layer, x = Linear(6, 5, bias=bias, relu=True), leaf(3, 6)
    parts = [layer.weight, x, *([layer.bias] if bias else [])]
    for index in frozen:
        if index < len(parts):
            parts[index].requires_grad_(False)
    with at_level(level):
        layer(x).sum().backward()
    with_gradient = [part.grad is not None for part in parts]
    oracle = [part.detach().clone().requires_grad_(part.requires_grad) for part in parts]
    torch.nn.functional.linear(oracle[1], oracle[0], oracle[2] if bias else None).relu().sum().backward()
    assert with_gradient == [part.requires_grad for part in parts]
    for ours, theirs in zip(parts, oracle, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def leaf(*shape, dtype=torch.float32):
    return torch.randn(*shape).to(dtype).requires_grad_()


def outcome(function, inputs, seed=3):
    """The result, and the gradients of the inputs for a random gradient of the result."""
    torch.manual_seed(seed)
    out = function(*inputs)
    given = torch.randn(out.shape).to(out.dtype)
    return [out, *torch.autograd.grad(out, [one for one in inputs if one is not None], given)]


def assert_equal(ours, oracle, dtype):
    for one, other in zip(ours, oracle, strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE[dtype], check_dtype=True, equal_nan=True)


@levels
@pytest.mark.parametrize("is_rms", [False, True], ids=["layer", "rms"])
@pytest.mark.parametrize("shape", [(2, 3, 16), (0, 5, 32), (7, 13, 48), (1, 1, 256), (2, 2, 20)], ids=str)
def test_a_norm_before_a_product_is_that_of_torch_rounded(level, is_rms, shape):
    torch.manual_seed(0)
    inputs = [leaf(*shape), leaf(shape[-1]), None if is_rms else leaf(shape[-1])]
    plain = partial(torch_norm, epsilon=1e-5, is_rms=is_rms)
    oracle = outcome(lambda *three: plain(*three).bfloat16(), inputs)
    with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16):
        ours = outcome(lambda *three: norm(*three, epsilon=1e-5, is_rms=is_rms, rounds=True).bfloat16(), inputs)
    assert_equal(ours[:1], oracle[:1], torch.bfloat16)
    assert_equal(ours[1:], oracle[1:], torch.float32)


@levels
def test_only_a_norm_before_a_product_is_rounded_and_only_under_autocast(level):
    inputs = [leaf(4, 5, 32), leaf(32), leaf(32)]
    with at_level(level):
        assert norm(*inputs, epsilon=1e-5, rounds=True).dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert norm(*inputs, epsilon=1e-5, rounds=True).dtype == torch.bfloat16
            assert norm(*inputs, epsilon=1e-5).dtype == torch.float32


@levels
def test_nan_in_a_row_stays_in_its_row(level):
    x = leaf(3, 16)
    with torch.no_grad():
        x[1, 2] = float("nan")
    with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16):
        out = norm(x, torch.ones(16), torch.zeros(16), epsilon=1e-5, rounds=True)
    assert out.isnan().any(dim=1).tolist() == [False, True, False]


@levels
@dtypes
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("shape", [(3, 7), (0, 4), (5, 64)], ids=str)
def test_a_residual_sum_drops_what_torch_drops_with_the_same_seed(level, dtype, rate, shape):
    torch.manual_seed(0)
    inputs = [leaf(*shape), leaf(*shape, dtype=dtype)]
    function = partial(add_dropped, rate=rate)
    with at_level("off"):
        oracle = outcome(function, inputs)
    with at_level(level):
        ours = outcome(function, inputs)
        alone = outcome(partial(dropped, rate=0.5), inputs[1:])
    assert_equal(ours, oracle, dtype)
    with at_level("off"):
        assert_equal(alone, outcome(partial(dropped, rate=0.5), inputs[1:]), dtype)


@levels
@dtypes
@pytest.mark.parametrize("shape", [(2, 3, 32), (0, 64), (7, 5, 96), (3, 20)], ids=str)
def test_a_gate_lets_through_what_that_of_torch_does(level, dtype, shape):
    torch.manual_seed(0)
    inputs = [(5 * torch.randn(shape)).to(dtype).requires_grad_()]
    oracle = outcome(lambda x: torch_gated(x.float()).to(dtype), inputs)
    with at_level(level):
        ours = outcome(gated, inputs)
    assert_equal(ours, oracle, dtype)


@levels
def test_a_gate_is_closed_open_and_nan_where_it_is_so(level):
    gates = torch.tensor([-1e30, -100.0, -88.5, 0.0, 90.0, 1e30, float("nan"), 1.0]).repeat(2)
    x = torch.cat((gates, torch.full((16,), 2.0))).requires_grad_()
    with at_level(level):
        out = gated(x)
        (dx,) = torch.autograd.grad(out.sum(), x)
    torch.testing.assert_close(out, torch_gated(x), equal_nan=True)
    assert dx.isnan().nonzero().flatten().tolist() == [6, 14, 22, 30]


@levels
@dtypes
@pytest.mark.parametrize("num_heads", [1, 3, 5])
@pytest.mark.parametrize("B, T, K", [(2, 7, 32), (3, 1, 64), (0, 4, 32), (2, 3, 6)])
def test_rotated_heads_are_those_of_torch_and_the_others_stay(level, dtype, num_heads, B, T, K):
    torch.manual_seed(0)
    flat = leaf(B, T, 5 * K, dtype=dtype)
    angles_TK = 20 * torch.randn(T, K // 2)

    def turned(function, x):
        return function(x.unflatten(-1, (5, K)).transpose(1, 2), angles_TK, num_heads).to(dtype)

    oracle = outcome(lambda x: turned(torch_rotated, x.float()), [flat])
    with at_level(level):
        ours = outcome(partial(turned, rotated), [flat])
    assert_equal(ours, oracle, dtype)
    heads = ours[0][:, num_heads:]
    assert torch.equal(heads, flat.unflatten(-1, (5, K)).transpose(1, 2)[:, num_heads:])


@levels
@widened
@pytest.mark.parametrize("relu", [False, True], ids=["plain", "relu"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("sizes, inputs", [([5], 6), ([8, 3], 6), ([64, 40], 32)], ids=str)
@pytest.mark.parametrize("under_autocast", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("rows", [20, 0], ids=str)
def test_products_of_several_layers(level, widens, relu, bias, sizes, inputs, under_autocast, rows):
    torch.manual_seed(0)
    layers = [nn.Linear(inputs, size, bias=bias) for size in sizes]
    inputs = [leaf(2, rows, inputs), *[layer.weight for layer in layers], *[layer.bias for layer in layers if bias]]
    results = []
    for name, function in (("off", torch_linear), (level, linear)):
        with at_level(name), torch.autocast("cpu", dtype=torch.bfloat16, enabled=under_autocast):
            results.append(outcome(lambda x, *_: function(x, layers, relu=relu), inputs))  # noqa: B023
    assert_equal(results[1], results[0], torch.bfloat16 if under_autocast else torch.float32)


@levels
@pytest.mark.parametrize("outputs", [[32], [96, 64], [64, 40]], ids=str)
@pytest.mark.parametrize("rows, inputs", [(0, 32), (1, 64), (33, 96), (1201, 32), (70, 2080), (600, 640)])
@widened
def test_products_in_bfloat16_sum_in_float32(level, widens, outputs, rows, inputs):
    torch.manual_seed(0)
    weights = [torch.randn(size, inputs) for size in outputs]
    biases = [torch.randn(size) for size in outputs]
    x, dy = (torch.randn(rows, size).bfloat16() for size in (inputs, sum(outputs)))
    weight = torch.cat(weights).bfloat16().float()
    into = torch.ones(sum(outputs), inputs)
    with at_level(level):
        of = products(weights, torch.bfloat16)
        assert isinstance(of, TileProducts) == (level in ("amx", "avx512_bf16"))
        relu = of.forward(x, [], relu=True)
        ours = [of.forward(x, biases), relu, *of.gradients(dy, x, None, True), of.backward(dy)]
        of.add_gradient(dy, x, into)
        of_masked = of.gradients(dy, x, relu, True)
        ours.append(into)
    plain = x.float() @ weight.T
    dx, gradient = dy.float() @ weight, dy.float().T @ x.float()
    oracle = [plain + torch.cat(biases), plain.relu(), dx, gradient, dy.float().sum(0), dx, gradient + 1]
    kept = dy.float() * (relu > 0)
    ours += of_masked
    oracle += [kept @ weight, kept.T @ x.float(), kept.sum(0)]
    close = {"rtol": 0.02, "atol": 0.02 * inputs**0.5}  # one rounding; two where the bias was rounded
    for one, other in zip(ours, oracle, strict=True):
        torch.testing.assert_close(one.float(), other, **close)
    if level in ("amx", "avx512_bf16") or widens:
        for place in (3, 4, 6, 8, 9):
            torch.testing.assert_close(ours[place], oracle[place], rtol=1e-4, atol=1e-3)


@levels
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
def test_gradients_of_numbers_that_do_not_lie_side_by_side(level, dtype):
    torch.manual_seed(0)
    layer, dy = nn.Linear(64, 32), torch.randn(1, 70, 32)
    for x in (
        torch.randn(1, 64, 70).transpose(1, 2),
        torch.randn(1, 70, 128)[..., ::2],
        torch.randn(1, 70, 1).expand(1, 70, 64),
    ):
        with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            (ours,) = torch.autograd.grad(linear(x, [layer]), layer.weight, dy.to(dtype))
        torch.testing.assert_close(ours, dy[0].T @ x[0], rtol=0.02, atol=0.2)


@levels
def test_as_many_outputs_as_a_large_vocabulary_give_the_gradient_of_each_state(level):
    torch.manual_seed(0)
    weight, dy = torch.randn(20_000, 32), torch.randn(40, 20_000).bfloat16()
    with at_level(level):
        ours = products([weight], torch.bfloat16).backward(dy)
        nothing = products([weight[:0]], torch.bfloat16).backward(dy[:, :0])
    torch.testing.assert_close(ours.float(), dy.float() @ weight.bfloat16().float(), rtol=0.02, atol=2.0)
    assert torch.equal(nothing.float(), torch.zeros(40, 32))


@levels
@pytest.mark.parametrize("has_fast_mkl", [False, True], ids=["slow MKL", "fast MKL"])
@pytest.mark.parametrize("relu", [False, True], ids=["plain", "relu"])
@pytest.mark.parametrize(
    "rows, outputs, inputs",
    [(0, [5], 8), (1, [3], 1), (7, [33, 6], 5), (99, [1024], 9), (300, [70, 31], 300), (257, [13], 512), (9, [4], 600)],
    ids=str,
)
def test_products_in_float32_are_those_of_torch(level, has_fast_mkl, relu, rows, outputs, inputs, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(kernel_products, "has_fast_mkl", lambda: has_fast_mkl)
    weights, biases = [torch.randn(size, inputs) for size in outputs], [torch.randn(size) for size in outputs]
    # every second row of a wider tensor
    x, dy = torch.randn(rows, 2 * inputs)[:, :inputs], torch.randn(2, rows, sum(outputs))[1]
    with at_level(level):
        of = products(weights, torch.float32)
        assert isinstance(of, VectorProducts) == (level != "avx2" and inputs <= 512)
        assert of.has_vector_gradient == (level != "avx2" and not has_fast_mkl)
        out = of.forward(x, biases, relu=relu)
        ours = [out, *of.gradients(dy, x, out if relu else None, True), of.forward(x, [])]
        added = torch.ones(sum(outputs), inputs)
        of.add_gradient(dy, x, added)
    weight, plain = torch.cat(weights).double(), x.double() @ torch.cat(weights).double().T
    oracle = plain + torch.cat(biases)
    kept = dy.double() * (oracle > 0) if relu else dy.double()
    expected = [oracle.relu() if relu else oracle, kept @ weight, kept.T @ x.double(), kept.sum(0), plain]
    expected.append(dy.double().T @ x.double() + 1)
    for one, other in zip([*ours, added], expected, strict=True):
        torch.testing.assert_close(one, other.float(), rtol=1e-5, atol=2e-6 * max(rows, inputs))


@levels
@pytest.mark.parametrize("place", [0, 5, 12, 31, 39])
def test_nan_in_a_gradient_stays_in_its_output(level, place):
    weight, x, dy = torch.randn(40, 16), torch.randn(20, 16), torch.randn(20, 40)
    dy[3, place] = float("nan")
    with at_level(level):
        of_weight, of_bias = products([weight], torch.float32).gradients(dy, x, None, False)[1:]
    assert of_weight.isnan().any(dim=1).nonzero().tolist() == of_bias.isnan().nonzero().tolist() == [[place]]


@levels
def test_products_of_other_inputs_are_left_to_onednn(level):
    with at_level(level):
        assert isinstance(products([torch.randn(32, 40)], torch.bfloat16), PlainProducts)
        assert isinstance(products([torch.randn(32, 32)], torch.float32), PlainProducts)
        assert isinstance(products([torch.randn(8, 32), torch.randn(32, 32)], torch.bfloat16), PlainProducts)


@levels
@pytest.mark.parametrize("inputs", [6, 32])
@widened
def test_nan_in_a_product_stays_in_its_row(level, widens, inputs):
    x, layer = torch.randn(40, inputs), Linear(inputs, 32, relu=True)
    x[3, 2] = float("nan")
    with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(x).isnan().any(dim=1).nonzero().tolist() == [[3]]


@levels
def test_a_frozen_layer_beside_a_trained_one_gets_no_gradient(level):
    frozen, trained = Linear(4, 3), Linear(4, 3)
    frozen.requires_grad_(False)
    with at_level(level):
        linear(torch.randn(5, 4), [frozen, trained]).sum().backward()
    assert frozen.weight.grad is None and frozen.bias.grad is None
    torch.testing.assert_close(trained.bias.grad, torch.full((3,), 5.0))


@levels
def test_relu_passes_nan_on(level):
    layer = Linear(4, 3, relu=True)
    x = torch.zeros(2, 4, requires_grad=True)
    with torch.no_grad():
        x[1, 0] = float("nan")
    with at_level(level):
        assert layer(x).isnan().any(dim=1).tolist() == [False, True]


@levels
@dtypes
@pytest.mark.parametrize("masked", ["nothing", "padding", "future", "a row"])
@pytest.mark.parametrize(
    "B, H, G, T, S, K",
    [
        (2, 4, 4, 7, 5, 16),
        (3, 4, 2, 17, 19, 32),
        (1, 2, 1, 1, 33, 16),
        (2, 2, 2, 40, 40, 64),
        (2, 2, 1, 17, 35, 96),
    ],
)
def test_attention(level, dtype, masked, B, H, G, T, S, K):
    torch.manual_seed(0)
    q = torch.randn(B, T, H, K).to(dtype).transpose(1, 2).requires_grad_()
    inputs = [q, leaf(B, G, S, K, dtype=dtype), leaf(B, G, S, K, dtype=dtype)]
    mask = None
    if masked == "padding":
        mask = torch.arange(S) < torch.randint(1, S + 1, (B, 1, 1, 1))
    elif masked == "future":
        mask = torch.ones(T, S, dtype=torch.bool).tril(max(0, S - T))[None, None]
    elif masked == "a row":  # no key at all: NaN in the first query of the first sentence
        mask = torch.ones(B, 1, T, S, dtype=torch.bool)
        mask[0, :, 0] = False
    oracle = outcome(lambda *three: torch_attend(*three, mask, K**-0.5), inputs)
    with at_level(level):
        assert attends(*inputs, mask)
        ours = outcome(lambda *three: attend(*three, mask, K**-0.5), inputs)
    if masked == "a row":
        assert ours[0][0, :, 0].isnan().all() and not ours[0][0, :, 1:].isnan().any()
        ours, oracle = ours[:1], oracle[:1]
    assert_equal(ours, oracle, dtype)


@levels
@pytest.mark.parametrize("T, S", [(7, 7), (5, 7)], ids=["of one product", "of two"])
def test_gradients_of_heads_side_by_side_are_not_copied(level, T, S, monkeypatch):
    torch.manual_seed(0)
    x, memory = leaf(3, T, 8 * 16), leaf(3, S, 4 * 16)

    def heads(split, x, sizes):
        return split(x.unflatten(-1, (-1, 16)).transpose(1, 2), sizes)

    def attended(split, mix, x, memory):
        if T == S:
            return mix(*heads(split, x, (4, 2, 2)), None, 0.25) + memory.sum()
        return mix(heads(split, x, (4, 4))[0], *heads(split, memory, (2, 2)), None, 0.25)

    oracle = outcome(partial(attended, partial(torch.split, dim=1), torch_attend), [x, memory])
    with at_level(level), monkeypatch.context() as patched:
        if T == S:
            patched.setattr(torch, "cat", None)
        ours = outcome(partial(attended, split_heads, attend), [x, memory])
    assert_equal(ours, oracle, torch.float32)


@levels
def test_gradients_of_heads_that_lie_apart_are_joined(level):
    x = leaf(2, 4, 3, 5)
    with at_level(level):
        first, second = split_heads(x, (3, 1))
        (found,) = torch.autograd.grad((first * 2).sum() + second.square().sum(), x)
    torch.testing.assert_close(found, torch.cat((torch.full((2, 3, 3, 5), 2.0), 2 * x[:, 3:].detach()), dim=1))


@levels
def test_attention_of_odd_heads_or_long_sentences_is_left_to_torch(level):
    with at_level(level):
        assert not attends(*[torch.randn(1, 2, 5, 12)] * 3, None)
        assert not attends(*[torch.randn(1, 2, 300, 16)] * 3, None)
        assert not attends(*[torch.randn(1, 2, 5, 16, dtype=torch.float64)] * 3, None)


@levels
def test_results_do_not_depend_on_the_number_of_threads_but_for_the_order_of_sums(level):
    torch.manual_seed(0)
    inputs = [leaf(5, 17, 32), leaf(32), leaf(32)]
    results = []
    with at_level(level), torch.autocast("cpu", dtype=torch.bfloat16):
        for threads in (1, 3):
            torch.set_num_threads(threads)
            try:
                results.append(outcome(partial(norm, epsilon=1e-5, rounds=True), inputs))
            finally:
                torch.set_num_threads(1)
    torch.testing.assert_close(results[1][:2], results[0][:2], rtol=0, atol=0)
    assert_equal(results[1], results[0], torch.float32)


@levels
def test_checkpointed_dropout_is_the_same_in_both_passes(level):
    x = leaf(6, 32)
    with at_level(level):
        plain = outcome(partial(dropped, rate=0.3), [x])
        again = outcome(
            lambda x: torch.utils.checkpoint.checkpoint(dropped, x, 0.3, use_reentrant=False),
            [x],
        )
    torch.testing.assert_close(again, plain, rtol=0, atol=0)
