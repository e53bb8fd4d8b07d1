"""Small GGUF files for tests: an adapter with random weights for the demo model, a ranking model that knows nothing."""
import gguf, numpy

SKIPPED = ("GGUF.", "general.", "llama.")


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_adapter(model, path, strength=1.0, architecture="llama", rank=4, rows=None):
    """Changes what the first layer's attention looks for. rows: outputs of the second matrix, to make it not fit."""
    base = {tensor.name: tensor for tensor in gguf.GGUFReader(model).tensors}
    random = numpy.random.default_rng(1)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for name in ("blk.0.attn_q.weight", "blk.1.ffn_down.weight"):
        columns, outputs = (int(n) for n in base[name].shape)
        writer.add_tensor(name + ".lora_a", random.normal(0, strength, (rank, columns)).astype(numpy.float32))
        writer.add_tensor(name + ".lora_b", random.normal(0, strength, (rows or outputs, rank)).astype(numpy.float32))
    write(writer)


def tiny_ranker(model, path, width=32, hidden=64):
    """A ranking model of one layer with the demo model's vocabulary; its opinions are random, but they are its own."""
    source = gguf.GGUFReader(model)
    random = numpy.random.default_rng(2)
    writer = gguf.GGUFWriter(path, "qwen3")
    for key, field in source.fields.items():
        if not key.startswith(SKIPPED) and key != "tokenizer.chat_template":
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    words = len(source.fields["tokenizer.ggml.tokens"].contents())
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_key_length(width // 2)
    writer.add_value_length(width // 2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_array("qwen3.classifier.output_labels", ["yes", "no"])
    shapes = {"token_embd": (words, width), "output_norm": (width,), "cls.output": (2, width), "blk.0.attn_norm": (width,),
              "blk.0.attn_q": (width, width), "blk.0.attn_k": (width // 2, width), "blk.0.attn_v": (width // 2, width),
              "blk.0.attn_output": (width, width), "blk.0.attn_q_norm": (width // 2,), "blk.0.attn_k_norm": (width // 2,),
              "blk.0.ffn_norm": (width,), "blk.0.ffn_gate": (hidden, width), "blk.0.ffn_up": (hidden, width),
              "blk.0.ffn_down": (width, hidden)}
    for name, shape in shapes.items():
        values = numpy.ones(shape) if name.endswith("norm") else random.normal(0, 0.3, shape)
        writer.add_tensor(name + ".weight", values.astype(numpy.float32))
    write(writer)
