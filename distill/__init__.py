"""Distil a sentence encoder, and encode text with it.

The serving half (text, idf, weights, tokens, bundle, encoder) needs onnxruntime and tokenizers;
the training half (teacher, student, train, export) needs the extra: pip install '.[distill]'.
"""
