"""python benchmarks/bert_server.py --peer onnxruntime|pytorch --db FILE --port N

What would the product be with BERT-base for an encoder? The same service, pages and API around a
BERT-base of random weights, which is as slow as a trained one, as float32. Started by load.py.
"""

import argparse
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn

from distill.encoder import Encoder
from distill.speed import FLOAT32, TORCH, BertBase
from distill.weights import WeightedText
from faq_app.server import configuration, create_app
from faq_app.service import Service
from faq_app.startup import uncollected
from indexer.store import Store

PEERS = {"onnxruntime": FLOAT32, "pytorch": TORCH}


@dataclass(frozen=True)
class BertEncoder(Encoder):
    """The bundled encoder's segmenter, weights and name; vectors take as long as BERT-base's.

    They point anywhere, so that every query is searched, and few are answered.
    """

    run: Callable[[int], None]  # BERT-base over a text of so many characters

    def _encode_one(self, text: str | WeightedText) -> np.ndarray:
        weighted = self.weigh(text) if isinstance(text, str) else text
        self.run(len(weighted.text))
        vector = np.random.default_rng(len(weighted.text)).normal(size=self.dimension)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", choices=PEERS, required=True)
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    ours = Encoder.load(Path("data/encoder"))
    with tempfile.TemporaryDirectory() as directory:
        bert = BertBase(Path(directory))

        def run(characters: int) -> None:
            # One thread each, as for ours: requests at the same time fill the cores by themselves.
            bert.calls(1, characters, 1)[PEERS[options.peer]]()

        encoder = BertEncoder(ours.bundle, ours.weighting, ours._tokenizer, ours._session, run)
        with uncollected():  # as for ours
            # BERT-base is nearly all of an answer, and lets go of Python's lock: all cores at once.
            together = os.cpu_count() or 1
            store = Store.open(options.db)
            service = Service(store, encoder, remembered=0, together=together)
            app = create_app(service)
        listener = socket.socket()
        listener.bind(("127.0.0.1", options.port))
        uvicorn.Server(configuration(app)).run([listener])
        service.close()


if __name__ == "__main__":
    main()
