"""Which ways to compress a teacher are there? A table of names; nothing here is trained.

In: a name. Out: a ``Method``: what it is called, whose idea it is, and what kind of model it makes.
"""

from dataclasses import dataclass
from typing import Literal

from distill.errors import TrainingError

Kind = Literal["teacher", "small", "layers", "ours"]
Pooling = Literal["mean", "cls", "idf"]
LABELS, PAIRS = "labels", "pairs"  # the two tasks


@dataclass(frozen=True)
class Method:
    """One way; ``kind`` says what the model is made of.

    ``teacher``: the teacher itself. ``small``: a network with random weights that reads our
    vocabulary. ``layers``: some of the teacher's layers. ``ours``: the bundled encoder.
    """

    name: str
    title: str
    kind: Kind
    paper: str = ""
    pooling: Pooling = "mean"  # of a teacher or of its layers
    trained: bool = True  # False: only a linear layer or a threshold is fitted to its vectors
    taught: bool = False  # learns from the teacher that was fine-tuned on the task
    tasks: tuple[str, ...] = (LABELS, PAIRS)

    @property
    def encoder_matters(self) -> bool:
        """Say whether the weights of the bundled encoder are in the result."""
        return self.kind == "ours"

    @property
    def teacher_matters(self) -> bool:
        """Say whether the weights of the teacher are in the result."""
        return self.taught or self.kind in ("teacher", "layers")


METHODS = {
    method.name: method
    for method in (
        Method("teacher", "教师,平均池化,微调", "teacher", "Devlin 2019"),
        Method("teacher_cls", "教师,[CLS],微调", "teacher", "Devlin 2019", "cls"),
        Method("teacher_idf", "教师,IDF 池化,微调", "teacher", "Devlin 2019", "idf"),
        Method("teacher_frozen", "教师,平均池化,不动", "teacher", trained=False),
        Method("teacher_cls_frozen", "教师,[CLS],不动", "teacher", "", "cls", trained=False),
        Method("teacher_idf_frozen", "教师,IDF 池化,不动", "teacher", "", "idf", trained=False),
        Method("lstm", "同样的 BiLSTM,没有教师", "small"),
        Method("distilled_bilstm", "Distilled BiLSTM", "small", "Tang 2019", taught=True),
        Method("soft_labels", "软标签", "small", "Hinton 2015", taught=True),
        Method("cnn", "Transformer → CNN", "small", "Chia 2019", taught=True),
        Method("dse", "DSE", "layers", "Barkan 2019", taught=True, tasks=(PAIRS,)),
        Method("pkd", "Patient KD", "layers", "Sun 2019", taught=True),
        Method("distilbert", "DistilBERT 式", "layers", "Sanh 2019", taught=True),
        Method("tinybert", "TinyBERT 式", "layers", "Jiao 2020", taught=True),
        Method("ours_frozen", "本项目,编码器不动", "ours", trained=False),
        Method("ours", "本项目,微调", "ours"),
    )
}


def method_named(name: str) -> Method:
    """Return a method; raises TrainingError, naming those that there are."""
    if name not in METHODS:
        raise TrainingError(f"没有压缩方法 {name}。怎么办: 用其中之一: {', '.join(METHODS)}")
    return METHODS[name]
