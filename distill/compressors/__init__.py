"""How else can BERT be made small? Other compressors, each as small as its paper's idea allows."""
