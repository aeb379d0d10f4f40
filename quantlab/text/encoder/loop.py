"""The training loop: one fit of what is tuned, pass by pass.

A pass is a pure function of the state before it: its noise has a seed of its own. So a journal of passes lets training that was killed
go on from the last one (AdaLoRA's alone is not kept: peft plans its ranks out of sight).
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quantlab.cache import Arrays, Cache, key, strings
from quantlab.executor import Progress
from quantlab.repro import described, random_generator
from quantlab.text.encoder.adapters import orthogonality
from quantlab.text.encoder.augment import hidden
from quantlab.text.encoder.batches import Batch, Rows, in_order, rows_of, shuffled
from quantlab.text.encoder.frozen import Chunk, FrozenPart
from quantlab.text.encoder.heads import HEAD, losses
from quantlab.text.encoder.inference import batch_rows, one_torch_thread
from quantlab.text.encoder.training import Examples, Training, rate_at
from quantlab.text.encoder.tuned import Tuned, tuned_part

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)
ORTHOGONAL: Final = 0.5  # weight of AdaLoRA's regulariser, as published


@dataclass(frozen=True)
class Loop:
    """One fit: what is trained on what, how, and from where."""

    part: FrozenPart
    examples: Examples
    training: Training
    chunks: list[Chunk]
    seed: int
    start: Arrays | None
    journal: Cache | None

    def run(self, head: Arrays, progress: Progress) -> Arrays:
        """Return the weights after all passes, or the best on what is held out, with the losses of each pass."""
        held_out, own = self.examples.held_out, self.training
        learning = [rows_of(chunk, np.flatnonzero(~held_out[chunk.position])) for chunk in self.chunks]
        held = [
            chunk for chunk in (rows_of(chunk, np.flatnonzero(held_out[chunk.position])) for chunk in self.chunks) if len(chunk.position)
        ]
        n_epochs = own.epochs if self.start is None else own.further_epochs or max(1, own.epochs // 3)
        rng = random_generator(self.seed, "encoder: order of examples")
        plans = [shuffled([chunk for chunk in learning if len(chunk.position)], own.batch_size, rng) for _ in range(n_epochs)]
        per_epoch = [math.ceil(len(plan) / own.accumulation) for plan in plans]
        first = head if self.start is None else {name: self.start[name] for name in HEAD}
        with one_torch_thread():
            tuned = tuned_part(self.part, first, weights=self.start, n_steps=sum(per_epoch), seed=self.seed)
            state = State(tuned, own, self.examples, sum(per_epoch), self.start)
            best = Best(tuned, state.loss_on(held) if held else None)
            for epoch in progress(range(n_epochs), "fine-tuning", n_epochs):
                self._pass(state, best, plans[epoch], epoch, held)
                if best.age >= own.patience:
                    break
            return best.weights(tuned) | {"loss": np.array(state.losses), "validation_loss": np.array(best.losses)}

    def _pass(self, state: State, best: Best, plan: list[Batch], epoch: int, held: list[Chunk]) -> None:
        """Train for one pass, or take its result from the journal."""
        journal = None if self.part.whole is not None and self.part.whole.kind == "adalora" else self.journal
        kept = journal.load(self._name(epoch)) if journal is not None else None
        if kept is not None:
            state.restore(kept)
        else:
            state.train(plan, epoch, self.seed)
        if journal is not None and kept is None:
            journal.save(self._name(epoch), state.snapshot())
        if held:
            best.compare(state.tuned, state.loss_on(held))
        log.info("pass %d: loss %.4f%s", epoch + 1, state.losses[-1], f", held out {best.losses[-1]:.4f}" if held else "")

    def _name(self, epoch: int) -> str:
        """Return the key of a pass: of all that its result depends on."""
        own, part = self.examples, self.part
        whole = None if part.whole is None else (part.whole.kind, part.whole.number)
        rows = [strings(own.texts), own.target, own.weight, own.sampled, own.held_out]
        start = [(name, value) for name, value in sorted((self.start or {}).items())]
        flat = [piece for pair in start for piece in pair]
        return key("pass", epoch, part.prefix, whole, own.task, *rows, described(self.training), self.seed, *flat)


class State:
    """A module in training: its optimiser, its number of steps and its losses so far."""

    def __init__(self, tuned: Tuned, training: Training, examples: Examples, n_steps: int, start: Arrays | None) -> None:
        """Prepare AdamW, with a learning rate for each depth."""
        import torch

        self.tuned, self.training, self.examples, self.n_steps, self.n_done = tuned, training, examples, n_steps, 0
        self.losses: list[float] = []
        device = tuned.encoder.device
        self.target = torch.from_numpy(examples.target).float().to(device)
        trained = examples.sampled & ~examples.held_out
        self.weight = torch.from_numpy(examples.weight / examples.weight[trained].mean()).float().to(device)
        self.n_examples = float(trained.sum())
        self.named = [(name, parameter) for name, parameter in tuned.module.named_parameters() if parameter.requires_grad]
        groups = [
            {"params": [parameter for name, parameter in self.named if tuned.depth(name) == depth], "depth": depth}
            for depth in sorted({tuned.depth(name) for name, _ in self.named})
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True)
        known = {} if start is None or training.pull == 0 else start
        self.anchors = [(parameter, torch.from_numpy(np.array(known[name])).to(device)) for name, parameter in self.named if name in known]
        for module in tuned.module.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = training.dropout

    def train(self, plan: list[Batch], epoch: int, seed: int) -> None:
        """Make one pass over the batches."""
        import torch

        own, total = self.training, 0.0
        rng = random_generator(seed, f"encoder: noise of pass {epoch}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            self.tuned.module.train(own.dropout > 0)
            for name, parameter in self.named:
                parameter.requires_grad_(not own.gradual_unfreezing or self.tuned.depth(name) <= epoch)
            for number, (chunk, rows) in enumerate(plan, start=1):
                loss = self._loss(chunk, rows, rng)
                total += float(loss.detach()) * own.batch_size
                last = number == len(plan) or number % own.accumulation == 0
                (self._objective(loss) / own.accumulation).backward()
                if last:
                    self._step()
            self.tuned.module.eval()
            for _, parameter in self.named:
                parameter.requires_grad_(True)
        self.losses.append(total / self.n_examples)

    def _loss(self, chunk: Chunk, rows: Rows, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of one batch; if training is adversarial, with that of the states moved against it."""
        import torch

        own, tuned = self.training, self.tuned
        full = np.resize(rows, own.batch_size)  # torch keeps its kernels for every shape that it meets: 20 MB a fit
        mask = tuned.mask(chunk, full)
        if own.token_dropout > 0:
            mask = torch.from_numpy(hidden(chunk.n_tokens[full], mask.shape[1], own.token_dropout, rng)).to(mask.device)
        states = tuned.enter(chunk, full)
        batch = torch.from_numpy(chunk.position[rows]).to(mask.device)

        def loss_at(states: torch.Tensor) -> torch.Tensor:
            """Return the loss of the batch if its texts enter so."""
            output = tuned.outputs(states, mask, dropout=own.dropout)[: len(rows)]
            each = losses(output, self.target[batch], self.examples.task, smoothing=own.label_smoothing)
            return (self.weight[batch] * each).sum() / own.batch_size

        if own.adversarial == 0:
            return loss_at(states)
        states = states.float()
        if not states.requires_grad:
            states = states.requires_grad_(True)
        loss = loss_at(states)
        (slope,) = torch.autograd.grad(loss, states, retain_graph=True)
        length = torch.linalg.vector_norm(slope, dim=(1, 2), keepdim=True).clamp_min(1e-12)
        size = torch.linalg.vector_norm(states.detach() * mask[..., None], dim=(1, 2), keepdim=True)
        return loss + loss_at(states + own.adversarial * size * slope / length)

    def _objective(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss with what ties the weights."""
        if self.tuned.whole is not None and self.tuned.whole.kind == "adalora":
            loss = loss + ORTHOGONAL * orthogonality(self.tuned.module)
        for parameter, anchor in self.anchors:
            loss = loss + self.training.pull * (parameter - anchor).square().sum()
        return loss

    def _step(self) -> None:
        """Take a step at the rate of the schedule; lower blocks take smaller ones if they are told to."""
        import torch

        own = self.training
        self.n_done += 1
        rate = rate_at(self.n_done, self.n_steps, own)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * own.layer_decay ** group["depth"]
        torch.nn.utils.clip_grad_norm_([parameter for _, parameter in self.named], own.max_gradient)
        self.optimizer.step()
        self.tuned.after_step(self.n_done)
        self.optimizer.zero_grad()

    def loss_on(self, chunks: list[Chunk]) -> float:
        """Return the weighted mean loss on what is held out, without any of the noise of training."""
        import torch

        total, weights = 0.0, 0.0
        with torch.inference_mode():
            for chunk, rows in in_order(chunks):
                full = np.resize(rows, batch_rows(chunk.states.shape[1]))
                output = self.tuned.outputs(self.tuned.enter(chunk, full), self.tuned.mask(chunk, full))[: len(rows)]
                batch = torch.from_numpy(chunk.position[rows]).to(output.device)
                total += float((self.weight[batch] * losses(output, self.target[batch], self.examples.task)).sum())
                weights += float(self.weight[batch].sum())
        return total / weights

    def snapshot(self) -> Arrays:
        """Return all that the next pass depends on."""
        moments = {
            f"{kind} {name}": self.optimizer.state[parameter][kind].cpu().numpy().copy()
            for name, parameter in self.named
            if parameter in self.optimizer.state
            for kind in ("exp_avg", "exp_avg_sq", "step")
        }
        return self.tuned.arrays() | moments | {"n_done": np.array(self.n_done), "losses": np.array(self.losses)}

    def restore(self, kept: Arrays) -> None:
        """Be what `snapshot` saw."""
        import torch

        self.tuned.load(kept)
        self.n_done, self.losses = int(kept["n_done"].item()), np.asarray(kept["losses"], dtype=float).tolist()
        for name, parameter in self.named:
            if f"step {name}" in kept:
                shapes = {"exp_avg": parameter.shape, "exp_avg_sq": parameter.shape, "step": ()}
                self.optimizer.state[parameter] = {
                    kind: torch.from_numpy(np.array(kept[f"{kind} {name}"])).reshape(shape).to(parameter.device)
                    for kind, shape in shapes.items()
                }


class Best:
    """The best weights so far, by the loss on what is held out; if nothing is, the last ones."""

    def __init__(self, tuned: Tuned, loss: float | None) -> None:
        """Begin with the weights before training."""
        self.losses = [] if loss is None else [loss]
        self.age = 0
        self.kept = tuned.arrays() if self.losses else None

    def compare(self, tuned: Tuned, loss: float) -> None:
        """Keep the weights if they are better than all before."""
        self.age = 0 if loss < min(self.losses) else self.age + 1
        self.losses.append(loss)
        if self.age == 0:
            self.kept = tuned.arrays()

    def weights(self, tuned: Tuned) -> Arrays:
        """Return the best weights."""
        return tuned.arrays() if self.kept is None else self.kept
