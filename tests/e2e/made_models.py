"""Small GGUF files for tests: an adapter with random weights for the demo model, a ranking model that knows nothing,
projectors that see something in images and a model whose positions have two dimensions."""
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


def vision_tower(writer, random, width, hidden, side, patch, layers, projector):
    """Keys and tensors of a small vision transformer, as projector files have them."""
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", projector)
    writer.add_bool("clip.use_gelu", True)
    for key, value in {"image_size": side, "patch_size": patch, "embedding_length": width, "feed_forward_length": hidden,
                       "block_count": layers, "attention.head_count": 2}.items():
        writer.add_uint32("clip.vision." + key, value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-5)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    shapes = {}
    for i in range(layers):
        shapes |= {f"v.blk.{i}.{name}": (width, width) for name in ("attn_q", "attn_k", "attn_v", "attn_out")}
        shapes |= {f"v.blk.{i}.ln1": (width,), f"v.blk.{i}.ln2": (width,), f"v.blk.{i}.ffn_up": (hidden, width),
                   f"v.blk.{i}.ffn_down": (width, hidden)}
    for name, shape in shapes.items():
        values = numpy.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        writer.add_tensor(name + ".weight", values.astype(numpy.float32))
        writer.add_tensor(name + ".bias", numpy.zeros(shape[0], numpy.float32))


def add_layer(writer, random, name, outputs, inputs, strength=0.3):
    writer.add_tensor(name + ".weight", random.normal(0, strength, (outputs, inputs)).astype(numpy.float32))
    writer.add_tensor(name + ".bias", numpy.zeros(outputs, numpy.float32))


def tiny_projector(model, path, width=32, hidden=64, side=32, patch=8, strength=1.0):
    """Sixteen rows for every image, as LLaVA's: what they say is random, but it is the image's own."""
    source = gguf.GGUFReader(model)
    architecture = source.fields["general.architecture"].contents()
    embedding = int(source.fields[architecture + ".embedding_length"].contents())
    random = numpy.random.default_rng(3)
    writer = gguf.GGUFWriter(path, "clip")
    vision_tower(writer, random, width, hidden, side, patch, 2, "mlp")
    writer.add_uint32("clip.vision.projection_dim", embedding)
    writer.add_tensor("v.class_embd", random.normal(0, 0.3, width).astype(numpy.float32))
    writer.add_tensor("v.patch_embd.weight", random.normal(0, 0.3, (width, 3, patch, patch)).astype(numpy.float32))
    writer.add_tensor("v.position_embd.weight", random.normal(0, 0.3, ((side // patch) ** 2 + 1, width)).astype(numpy.float32))
    writer.add_tensor("v.pre_ln.weight", numpy.ones(width, numpy.float32))
    writer.add_tensor("v.pre_ln.bias", numpy.zeros(width, numpy.float32))
    add_layer(writer, random, "mm.0", embedding, width, strength)
    add_layer(writer, random, "mm.2", embedding, embedding, strength / embedding ** 0.5)
    write(writer)


def tiny_qwen2(model, path, width=64, hidden=128, heads=4, layers=2, architecture="qwen2", adds_end=False):
    """A model with the demo model's vocabulary that has learnt nothing: whatever it reads changes what it says.
    adds_end: its vocabulary puts the end-of-sequence token behind every text."""
    source = gguf.GGUFReader(model)
    random = numpy.random.default_rng(4)
    writer = gguf.GGUFWriter(path, architecture)
    for key, field in source.fields.items():
        if not key.startswith(SKIPPED):
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    if adds_end:
        writer.add_add_eos_token(True)
    words = len(source.fields["tokenizer.ggml.tokens"].contents())
    writer.add_block_count(layers)
    writer.add_context_length(2048)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    if architecture == "qwen2vl":  # positions have several dimensions (M-RoPE)
        quarter = width // heads // 8
        writer.add_array("qwen2vl.rope.dimension_sections", [2 * quarter, quarter, quarter, 0])
    shapes = {"token_embd": (words, width), "output_norm": (width,), "output": (words, width)}
    for i in range(layers):
        shapes |= {f"blk.{i}.{name}": shape for name, shape in {
            "attn_norm": (width,), "attn_q": (width, width), "attn_k": (width // 2, width), "attn_v": (width // 2, width),
            "attn_output": (width, width), "ffn_norm": (width,), "ffn_gate": (hidden, width), "ffn_up": (hidden, width),
            "ffn_down": (width, hidden)}.items()}
    for name, shape in shapes.items():
        values = numpy.ones(shape) if name.endswith("norm") else random.normal(0, 0.3, shape)
        writer.add_tensor(name + ".weight", values.astype(numpy.float32))
        if name.endswith(("attn_q", "attn_k", "attn_v")):
            writer.add_tensor(name + ".bias", numpy.zeros(shape[0], numpy.float32))
    write(writer)


def tiny_qwen2vl_projector(path, embedding=64, width=32, hidden=64, patch=14):
    """As many rows as the image has squares of two by two patches."""
    random = numpy.random.default_rng(5)
    writer = gguf.GGUFWriter(path, "clip")
    vision_tower(writer, random, width, hidden, 56, patch, 2, "qwen2vl_merger")
    writer.add_uint32("clip.vision.projection_dim", embedding)
    for name in ("v.patch_embd.weight", "v.patch_embd.weight.1"):
        writer.add_tensor(name, random.normal(0, 0.1, (width, 3, patch, patch)).astype(numpy.float32))
    writer.add_tensor("v.post_ln.weight", numpy.ones(width, numpy.float32))
    writer.add_tensor("v.post_ln.bias", numpy.zeros(width, numpy.float32))
    add_layer(writer, random, "mm.0", 4 * width, 4 * width)
    add_layer(writer, random, "mm.2", embedding, 4 * width)
    write(writer)
