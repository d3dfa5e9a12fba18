"""The head: its shape, the function it computes, its randomness, and what freezing promises."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Generator, Tensor, nn

from leanebm.energy import EnergyHead, EnergyHeadConfig, SpectralNormMode
from leanebm.energy.head import LOG_SCALE_RANGE
from leanebm.energy.losses import bradley_terry
from leanebm.energy.spectral import exact_sigma
from leanebm.errors import EnergyError

WIDTH = 24


def head_of(mode: SpectralNormMode = SpectralNormMode.RANDOM, **settings: object) -> EnergyHead:
    return EnergyHead(EnergyHeadConfig(d_in=WIDTH, hidden=(16, 12), spectral_norm=mode, **settings))  # type: ignore[arg-type]


def states(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, WIDTH, generator=Generator().manual_seed(seed))


def energies_of(head: EnergyHead, embeddings: Tensor) -> Tensor:
    energies: Tensor = head(embeddings)
    return energies


def training_step(head: EnergyHead, optimizer: torch.optim.Optimizer, seed: int) -> Tensor:
    optimizer.zero_grad()
    energies = energies_of(head, states(8, seed).reshape(2, 4, WIDTH))
    bradley_terry(energies[:, 0], energies[:, 1:]).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return energies.detach()


# --- shape ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (EnergyHeadConfig(), 11_014_145),
        (EnergyHeadConfig(d_in=384, hidden=(512, 256, 128)), 361_473),
        (EnergyHeadConfig(d_in=384, hidden=()), 385),
    ],
)
def test_number_of_parameters(config: EnergyHeadConfig, parameters: int) -> None:
    with torch.device("meta"):
        head = EnergyHead(config)
    assert sum(parameter.numel() for parameter in head.parameters()) == parameters


@pytest.mark.parametrize("mode", SpectralNormMode)
def test_without_hidden_layers_it_is_linear(mode: SpectralNormMode) -> None:
    head = EnergyHead(EnergyHeadConfig(d_in=WIDTH, hidden=(), spectral_norm=mode)).eval()
    one, other = states(2)
    torch.testing.assert_close(head(2.0 * one - 3.0 * other), 2.0 * head(one) - 3.0 * head(other))
    head.freeze_spectral()
    torch.testing.assert_close(head(one + other), head(one) + head(other))


@pytest.mark.parametrize("mode", SpectralNormMode)
@pytest.mark.parametrize("leading", [(), (3,), (2, 3), (0,), (2, 0)])
@pytest.mark.parametrize("freeze", [True, False])
def test_one_energy_a_state(mode: SpectralNormMode, leading: tuple[int, ...], freeze: bool) -> None:
    head = head_of(mode)
    if freeze:
        head.freeze_spectral()
    energies = head(torch.randn(*leading, WIDTH))
    assert energies.shape == leading
    assert energies.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_embeddings_of_any_floating_point_type(dtype: torch.dtype) -> None:
    head = head_of().eval()
    head.freeze_spectral()
    embeddings = states(5).to(dtype)
    torch.testing.assert_close(head(embeddings), head(embeddings.float()))


def test_autocast_does_not_coarsen_energies(device: str) -> None:
    head = head_of(dropout=0.0).to(device)
    twin = copy.deepcopy(head)
    embeddings = states(5).to(device)
    with torch.autocast(device, dtype=torch.bfloat16):
        energies = head(embeddings)
    energies.sum().backward()
    assert torch.equal(energies, twin(embeddings))


@pytest.mark.parametrize("embeddings", [torch.zeros(3, 8), torch.zeros(WIDTH, 3), torch.tensor(1.0)])
def test_another_encoders_width_is_refused(embeddings: Tensor) -> None:
    with pytest.raises(EnergyError, match=f"width {WIDTH}, got a tensor of shape"):
        head_of()(embeddings)


def test_whole_numbers_are_no_embeddings() -> None:
    with pytest.raises(EnergyError, match=r"got torch\.int64"):
        head_of()(torch.zeros(3, WIDTH, dtype=torch.int64))


# --- the device it computes on --------------------------------------------------------------------


@pytest.mark.parametrize("mode", SpectralNormMode)
def test_frozen_energies_are_the_same_on_every_device(mode: SpectralNormMode, device: str) -> None:
    head = standardised(head_of(mode))
    there = copy.deepcopy(head).to(device)
    report, report_there = head.freeze_spectral(), there.freeze_spectral()
    moved = copy.deepcopy(head).to(device)
    assert moved.is_frozen
    assert report_there.exact == pytest.approx(report.exact)
    for each in (there, moved):
        torch.testing.assert_close(each(states(7).to(device)).cpu(), head(states(7)))


@pytest.mark.parametrize("mode", [SpectralNormMode.PERSISTENT, SpectralNormMode.NONE])
def test_energies_and_gradients_without_a_draw_are_the_same_on_every_device(
    mode: SpectralNormMode, device: str
) -> None:
    head = standardised(head_of(mode, dropout=0.0))
    there = copy.deepcopy(head).to(device)
    energies, energies_there = head.train()(states(7)), there.train()(states(7).to(device))
    energies.square().sum().backward()
    energies_there.square().sum().backward()
    torch.testing.assert_close(energies_there.cpu(), energies)
    for parameter, parameter_there in zip(head.parameters(), there.parameters(), strict=True):
        assert parameter.grad is not None
        assert parameter_there.grad is not None
        torch.testing.assert_close(parameter_there.grad.cpu(), parameter.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", [SpectralNormMode.RANDOM, SpectralNormMode.KRYLOV])
def test_what_is_drawn_depends_on_seed_and_count_alone_on_every_device(mode: SpectralNormMode, device: str) -> None:
    embeddings = states(7).to(device)
    one = head_of(mode).to(device).train()
    first, second = one(embeddings), one(embeddings)
    torch.manual_seed(1)
    other = head_of(mode).to(device).train()
    assert torch.equal(other(embeddings), first)
    resumed = head_of(mode).to(device).train()
    resumed.load_state_dict({name: tensor.cpu() for name, tensor in other.state_dict().items()})
    assert torch.equal(resumed(embeddings), second)
    assert not torch.equal(first, second)


def standardised(head: EnergyHead) -> EnergyHead:
    head.set_standardization(torch.linspace(-1.0, 1.0, WIDTH), torch.linspace(0.5, 2.0, WIDTH))
    head.initialise_scale(states(64, seed=1))
    return head


# --- the function it computes ---------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["gelu", "relu", "silu", "tanh"])
def test_without_normalisation_it_is_a_plain_perceptron(activation: str) -> None:
    head = head_of(SpectralNormMode.NONE, activation=activation).eval()
    modules = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
    first, second, last = (layer.weight for layer in head._layers)
    plain = nn.Sequential(nn.Linear(WIDTH, 16), modules[activation](), nn.Linear(16, 12), modules[activation]())
    plain.load_state_dict(
        {"0.weight": first, "0.bias": head._layers[0].bias, "2.weight": second, "2.bias": head._layers[1].bias}
    )
    torch.testing.assert_close(head(states(5)), (plain(states(5)) @ last.t()).squeeze(-1))


@pytest.mark.parametrize("mode", SpectralNormMode)
def test_frozen_it_is_the_formula_with_exact_values(mode: SpectralNormMode) -> None:
    head = head_of(mode)
    mean, std = torch.randn(WIDTH), torch.rand(WIDTH) + 0.5
    head.set_standardization(mean, std)
    with torch.no_grad():
        head.log_scale.fill_(1.5)
    head.freeze_spectral()
    rows = (states(7) - mean) / std
    for layer in head._layers:
        weight: Tensor = layer.weight if mode is SpectralNormMode.NONE else layer.weight / exact_sigma(layer.weight)
        rows = rows @ weight.t()
        rows = nn.functional.silu(rows + layer.bias) if layer.bias is not None else rows
    torch.testing.assert_close(head(states(7)), rows.squeeze(-1) * math.exp(1.5))


@pytest.mark.parametrize("activation", ["gelu", "relu", "silu", "tanh"])
def test_energies_differ_no_more_than_the_bound_says(activation: str) -> None:
    head = head_of(activation=activation)
    head.initialise_scale(states(64))
    report = head.freeze_spectral()
    some, others = states(2000, 1), states(2000, 2)
    slopes = (head(some) - head(others)).abs() / (some - others).norm(dim=1)
    assert float(slopes.max()) <= report.lipschitz_bound
    gradient = torch.autograd.functional.jacobian(lambda z: head(z), 0.01 * states(1)).norm()  # type: ignore[no-untyped-call]
    assert float(gradient) <= report.lipschitz_bound


@pytest.mark.parametrize("activation", ["gelu", "relu", "silu", "tanh"])
def test_the_steepest_slopes_are_those_of_the_activations(activation: str) -> None:
    head = head_of(activation=activation)
    points = torch.linspace(-10.0, 10.0, 200_001, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(head._activation(points).sum(), points)
    steepest = float(slopes.max())
    assert steepest <= head._steepest <= steepest + 2e-4


def test_a_state_alone_and_in_a_batch_agree() -> None:
    head = EnergyHead(EnergyHeadConfig(d_in=384, hidden=(512, 256, 128)))
    embeddings = torch.randn(64, 384, generator=Generator().manual_seed(0))
    head.initialise_scale(embeddings)
    head.freeze_spectral()
    alone = torch.stack([head(row) for row in embeddings])
    torch.testing.assert_close(alone, head(embeddings), atol=1e-5, rtol=0.0)


# --- standardisation and scale --------------------------------------------------------------------


def test_standardised_embeddings_are_centred_and_scaled() -> None:
    embeddings = 5.0 + 3.0 * states(200)
    shifted, plain = head_of(SpectralNormMode.NONE).eval(), head_of(SpectralNormMode.NONE).eval()
    std, mean = torch.std_mean(embeddings, dim=0)
    shifted.set_standardization(mean, std)
    torch.testing.assert_close(shifted(embeddings), plain((embeddings - mean) / std))


def test_a_dimension_that_does_not_vary_is_not_blown_up() -> None:
    head = head_of()
    std = torch.ones(WIDTH)
    std[0], std[1] = 0.0, 1e-9
    head.set_standardization(torch.zeros(WIDTH), std)
    assert head.std[:3].tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("mean", "std", "complaint"),
    [
        (torch.zeros(3), torch.ones(WIDTH), "mean must have shape"),
        (torch.zeros(WIDTH), torch.ones(WIDTH, 1), "std must have shape"),
        (torch.full((WIDTH,), torch.nan), torch.ones(WIDTH), "mean holds a number that is not finite"),
        (torch.zeros(WIDTH), torch.full((WIDTH,), torch.inf), "std holds a number that is not finite"),
        (torch.zeros(WIDTH), -torch.ones(WIDTH), "std must be at least 0"),
        (torch.zeros(WIDTH), torch.zeros(WIDTH), "are all embeddings the same"),
    ],
)
def test_wrong_statistics_are_refused(mean: Tensor, std: Tensor, complaint: str) -> None:
    head = head_of()
    with pytest.raises(EnergyError, match=complaint):
        head.set_standardization(mean, std)
    assert torch.equal(head.mean, torch.zeros(WIDTH))


def test_a_head_without_standardisation_takes_none() -> None:
    head = head_of(standardize=False)
    with pytest.raises(EnergyError, match="standardize=False"):
        head.set_standardization(torch.zeros(WIDTH), torch.ones(WIDTH))


@pytest.mark.parametrize("mode", [SpectralNormMode.NONE, SpectralNormMode.PERSISTENT])
def test_first_energies_have_a_standard_deviation_of_one(mode: SpectralNormMode) -> None:
    head, embeddings = head_of(mode).train(), 10.0 * states(500)
    log_scale = head.initialise_scale(embeddings)
    assert head.training
    assert log_scale == pytest.approx(float(head.log_scale.detach()))
    assert float(head.eval()(embeddings).detach().std()) == pytest.approx(1.0, rel=2e-3)


def test_the_first_scale_keeps_to_its_range() -> None:
    head = head_of(SpectralNormMode.NONE)
    assert head.initialise_scale(1e-6 * states(50)) == LOG_SCALE_RANGE[1]
    assert head.initialise_scale(1e6 * states(50)) == LOG_SCALE_RANGE[0]


@pytest.mark.parametrize("embeddings", [torch.zeros(5, WIDTH), torch.full((5, WIDTH), torch.nan), states(1)])
def test_no_scale_without_a_spread(embeddings: Tensor) -> None:
    head = head_of()
    with pytest.raises(EnergyError, match="no scale to choose"):
        head.initialise_scale(embeddings)
    assert float(head.log_scale.detach()) == 0.0


@pytest.mark.parametrize(("log_scale", "scale"), [(9.0, math.exp(5.0)), (-9.0, math.exp(-3.0)), (0.5, math.exp(0.5))])
def test_the_scale_is_clamped_but_can_come_back(log_scale: float, scale: float) -> None:
    head = head_of()
    with torch.no_grad():
        head.log_scale.fill_(log_scale)
    assert float(head.scale.detach()) == pytest.approx(scale)
    head.scale.backward()  # type: ignore[no-untyped-call]
    assert head.log_scale.grad is not None
    assert float(head.log_scale.grad) == pytest.approx(scale)


# --- randomness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_a_seed_reproduces_every_forward_whatever_else_is_drawn(training: bool) -> None:
    torch.manual_seed(1)
    head = head_of(power_iterations=1).train(training)
    first = [head(states(4)) for _ in range(3)]
    torch.manual_seed(2)
    torch.rand(100)
    twin = head_of(power_iterations=1).train(training)
    assert all(torch.equal(energies, twin(states(4))) for energies in first)


def test_nothing_is_drawn_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    head = head_of()
    head(states(4))
    head.freeze_spectral()
    assert torch.equal(torch.get_rng_state(), before)


def test_another_seed_is_another_head() -> None:
    assert not torch.equal(head_of(seed=0)._layers[0].weight, head_of(seed=1)._layers[0].weight)


@pytest.mark.parametrize("training", [True, False])
def test_option_c_draws_afresh_at_each_forward(training: bool) -> None:
    head = head_of(dropout=0.0, power_iterations=1).train(training)
    assert not torch.equal(head(states(4)), head(states(4)))


def test_dropout_acts_in_training_only_and_keeps_the_mean() -> None:
    head = head_of(SpectralNormMode.NONE, dropout=0.5)
    assert torch.equal(head.eval()(states(4)), head(states(4)))
    assert not torch.equal(head.train()(states(4)), head(states(4)))
    ones = torch.ones(200, 500)
    dropped = head._dropout(ones, Generator().manual_seed(0))
    assert set(dropped.flatten().tolist()) == {0.0, 2.0}
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("mode", SpectralNormMode)
def test_scoring_in_between_changes_nothing_for_training(mode: SpectralNormMode) -> None:
    undisturbed, disturbed = head_of(mode), head_of(mode)
    for step in range(3):
        disturbed.eval()(states(9))
        disturbed.freeze_spectral()
        disturbed.train()
        assert torch.equal(undisturbed(states(4, step)), disturbed(states(4, step)))


@pytest.mark.parametrize("mode", SpectralNormMode)
def test_a_run_goes_on_from_its_state_bit_for_bit(mode: SpectralNormMode) -> None:
    head = head_of(mode)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    for step in range(3):
        training_step(head, optimizer, step)
    resumed = head_of(mode)
    resumed.load_state_dict(copy.deepcopy(head.state_dict()))
    resumed_optimizer = torch.optim.AdamW(resumed.parameters(), lr=1e-2)
    resumed_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for step in range(3, 6):
        expected, found = training_step(head, optimizer, step), training_step(resumed, resumed_optimizer, step)
        assert torch.equal(expected, found)
    ours, theirs = head.state_dict(), resumed.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# --- freezing -------------------------------------------------------------------------------------


def test_frozen_energies_do_not_move() -> None:
    head = head_of().train()
    assert not head.is_frozen
    head.freeze_spectral()
    assert head.is_frozen
    assert not head.training
    first = head(states(9))
    assert all(torch.equal(head(states(9)), first) for _ in range(5))
    head.eval()
    assert head.is_frozen


def test_the_report_says_what_estimates_miss() -> None:
    head = EnergyHead(EnergyHeadConfig(d_in=384, hidden=(512, 256, 128)))
    report = head.freeze_spectral()
    assert report.exact == tuple(exact_sigma(layer.weight) for layer in head._layers)
    assert 0.02 < report.max_shortfall < 0.12
    assert report.shortfalls[-1] == pytest.approx(0.0, abs=1e-6)  # one row: nothing to miss
    assert report.max_shortfall == max(report.shortfalls)


def test_the_exact_value_is_what_was_baked() -> None:
    head = head_of()
    head.freeze_spectral()
    for layer in head._layers:
        assert layer.frozen_weight is not None
        assert exact_sigma(layer.frozen_weight) == pytest.approx(1.0, rel=1e-6)


def test_unfreezing_returns_to_estimates() -> None:
    head = head_of(power_iterations=1)
    head.freeze_spectral()
    head.unfreeze_spectral()
    assert not head.is_frozen
    assert not torch.equal(head(states(4)), head(states(4)))
    head.unfreeze_spectral()


def test_training_unfreezes() -> None:
    head = head_of()
    head.freeze_spectral()
    head.train()
    assert not head.is_frozen
    assert head(states(4)).requires_grad


def test_loading_unfreezes_a_head_inside_another_module_too() -> None:
    head = head_of()
    outer = nn.ModuleDict({"head": head})
    other = nn.ModuleDict({"head": head_of(seed=1)})
    head.freeze_spectral()
    outer.load_state_dict(other.state_dict())
    assert not head.is_frozen


def test_a_frozen_head_cannot_be_trained() -> None:
    head = head_of()
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2)
    training_step(head, optimizer, 0)
    head.freeze_spectral()
    assert not head(states(4)).requires_grad
    optimizer.step()  # with the gradients of before
    with pytest.raises(EnergyError, match=r"frozen head cannot be trained: call train\(\) or unfreeze_spectral\(\)"):
        head(states(4))
    head.freeze_spectral()
    assert head(states(4)).isfinite().all()


def test_a_frozen_head_can_be_copied_moved_and_differentiated_by_its_input() -> None:
    head = head_of()
    head.freeze_spectral()
    energies = head(states(4))
    twin = copy.deepcopy(head)
    assert torch.equal(twin(states(4)), energies)
    assert twin.to(torch.float64)(states(4)).dtype == torch.float64
    assert head.is_frozen
    inputs = states(4).requires_grad_()
    head(inputs).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.abs().sum() > 0.0


def test_freezing_is_no_part_of_the_state() -> None:
    head = head_of()
    names = set(head.state_dict())
    head.freeze_spectral()
    assert set(head.state_dict()) == names
