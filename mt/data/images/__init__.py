"""Pictures of a corpus: decoding files safely, preprocessing, boxes, and the memory-mapped store."""
