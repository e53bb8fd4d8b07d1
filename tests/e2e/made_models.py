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


# ---- models of other kinds of memory, with random weights and the demo model's vocabulary ---------------------------

def same_vocabulary(writer, model):
    """Tokens, and how text becomes tokens, as in the model; how many there are."""
    source = gguf.GGUFReader(model)
    for key, field in source.fields.items():
        if not key.startswith(SKIPPED):
            writer.add_key_value(key, field.contents(), field.types[0], sub_type=field.types[-1] if len(field.types) > 1 else None)
    return len(source.fields["tokenizer.ggml.tokens"].contents())


def fill(writer, shapes, seed):
    """Weights by name and shape; an array instead of a shape is taken as it is."""
    random = numpy.random.default_rng(seed)
    for name, shape in shapes.items():
        if isinstance(shape, numpy.ndarray):
            values = shape
        else:
            values = numpy.ones(shape) if "norm" in name else random.normal(0, 0.15, shape)
        writer.add_tensor(name, values.astype(numpy.float32))


def tiny_mamba(model, path, width=64, layers=2, context=2048):
    """Recurrent: what came before is one state."""
    writer = gguf.GGUFWriter(path, "mamba")
    words = same_vocabulary(writer, model)
    inner, state, kernel, rank = 2 * width, 16, 4, 8
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(layers)
    writer.add_ssm_conv_kernel(kernel)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    writer.add_layer_norm_rms_eps(1e-5)
    shapes = {"token_embd.weight": (words, width), "output_norm.weight": (width,)}
    for i in range(layers):
        block = f"blk.{i}."
        shapes |= {block + "attn_norm.weight": (width,), block + "ssm_in.weight": (2 * inner, width),
                   block + "ssm_conv1d.weight": (inner, kernel), block + "ssm_conv1d.bias": (inner,),
                   block + "ssm_x.weight": (rank + 2 * state, inner), block + "ssm_dt.weight": (inner, rank),
                   block + "ssm_dt.bias": (inner,),
                   block + "ssm_a": -numpy.tile(numpy.arange(1, state + 1, dtype=numpy.float32), (inner, 1)),
                   block + "ssm_d": numpy.ones(inner), block + "ssm_out.weight": (width, inner)}
    fill(writer, shapes, 3)
    write(writer)


def tiny_hybrid(model, path, width=64, context=2048):
    """LFM2: layers of short convolutions, which have a state, and one of attention, which has cells."""
    writer = gguf.GGUFWriter(path, "lfm2")
    words = same_vocabulary(writer, model)
    layers, kernel, heads, kv_heads, hidden = 3, 3, 4, 2, 128
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(hidden)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv([0, kv_heads, 0])
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(words)
    writer.add_shortconv_l_cache(kernel)
    head = width // heads
    shapes = {"token_embd.weight": (words, width), "token_embd_norm.weight": (width,)}
    for i in range(layers):
        block = f"blk.{i}."
        shapes |= {block + "attn_norm.weight": (width,), block + "ffn_norm.weight": (width,),
                   block + "ffn_gate.weight": (hidden, width), block + "ffn_up.weight": (hidden, width),
                   block + "ffn_down.weight": (width, hidden)}
        if i == 1:
            shapes |= {block + "attn_q.weight": (width, width), block + "attn_k.weight": (kv_heads * head, width),
                       block + "attn_v.weight": (kv_heads * head, width), block + "attn_output.weight": (width, width),
                       block + "attn_q_norm.weight": (head,), block + "attn_k_norm.weight": (head,)}
        else:
            shapes |= {block + "shortconv.conv.weight": (width, kernel), block + "shortconv.in_proj.weight": (3 * width, width),
                       block + "shortconv.out_proj.weight": (width, width)}
    fill(writer, shapes, 4)
    write(writer)


def tiny_sliding(model, path, width=64, window=80, context=2048):
    """Gemma 3: five of six layers look back no further than the window."""
    writer = gguf.GGUFWriter(path, "gemma3")
    words = same_vocabulary(writer, model)
    layers, heads, kv_heads, hidden = 6, 4, 2, 128
    head = width // heads
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(hidden)
    writer.add_block_count(layers)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_sliding_window(window)
    shapes = {"token_embd.weight": (words, width), "output_norm.weight": (width,)}
    for i in range(layers):
        block = f"blk.{i}."
        shapes |= {block + "attn_norm.weight": (width,), block + "post_attention_norm.weight": (width,),
                   block + "ffn_norm.weight": (width,), block + "post_ffw_norm.weight": (width,),
                   block + "attn_q.weight": (heads * head, width), block + "attn_k.weight": (kv_heads * head, width),
                   block + "attn_v.weight": (kv_heads * head, width), block + "attn_output.weight": (width, heads * head),
                   block + "attn_q_norm.weight": (head,), block + "attn_k_norm.weight": (head,),
                   block + "ffn_gate.weight": (hidden, width), block + "ffn_up.weight": (hidden, width),
                   block + "ffn_down.weight": (width, hidden)}
    fill(writer, shapes, 5)
    write(writer)


# ---- models that see ---------------------------------------------------------------------------------------------------

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


def tiny_listener(model, path, width=32, hidden=64, layers=1, mel=128, frames=1500):
    """750 rows for every thirty seconds that it hears, as Qwen2-Audio's."""
    source = gguf.GGUFReader(model)
    embedding = int(source.fields[source.fields["general.architecture"].contents() + ".embedding_length"].contents())
    random = numpy.random.default_rng(6)
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_type("mmproj")
    writer.add_bool("clip.has_audio_encoder", True)
    writer.add_string("clip.projector_type", "qwen2a")
    writer.add_bool("clip.use_gelu", True)
    for key, value in {"num_mel_bins": mel, "embedding_length": width, "feed_forward_length": hidden, "block_count": layers,
                       "attention.head_count": 2, "projection_dim": embedding}.items():
        writer.add_uint32("clip.audio." + key, value)
    writer.add_float32("clip.audio.attention.layer_norm_epsilon", 1e-5)
    for i, inputs in ((1, mel), (2, width)):
        writer.add_tensor(f"a.conv1d.{i}.weight", random.normal(0, 0.2, (width, inputs, 3)).astype(numpy.float16))
        writer.add_tensor(f"a.conv1d.{i}.bias", numpy.zeros((width, 1), numpy.float32))
    writer.add_tensor("a.position_embd.weight", random.normal(0, 0.1, (frames, width)).astype(numpy.float32))
    shapes = {"a.post_ln": (width,)}
    for i in range(layers):
        shapes |= {f"a.blk.{i}.{name}": (width, width) for name in ("attn_q", "attn_k", "attn_v", "attn_out")}
        shapes |= {f"a.blk.{i}.ln1": (width,), f"a.blk.{i}.ln2": (width,), f"a.blk.{i}.ffn_up": (hidden, width), f"a.blk.{i}.ffn_down": (width, hidden)}
    for name, shape in shapes.items():
        values = numpy.ones(shape) if len(shape) == 1 else random.normal(0, 0.3, shape)
        writer.add_tensor(name + ".weight", values.astype(numpy.float32))
        if not name.endswith("attn_k"):  # which has none in this family
            writer.add_tensor(name + ".bias", numpy.zeros(shape[0], numpy.float32))
    add_layer(writer, random, "mm.a.fc", embedding, width, 1.0)
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


def tiny_bert(path, width=64, hidden=128, layers=2, context=64):
    """An encoder as the usual embedding models are: tables of positions and of token types, a vocabulary of letters."""
    random = numpy.random.default_rng(5)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *("\u2581" + c for c in letters), *letters]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list([word.encode() for word in words])
    writer.add_token_types([3] * 5 + [1] * (len(words) - 5))
    writer.add_token_type_count(2)
    for kind, token in (("pad", 0), ("unk", 1), ("bos", 2), ("eos", 3), ("sep", 3), ("mask", 4)):
        getattr(writer, f"add_{kind}_token_id")(token)
    shapes = {"token_embd": (len(words), width), "position_embd": (context, width), "token_types": (2, width), "token_embd_norm": (width,)}
    for i in range(layers):
        shapes |= {f"blk.{i}.{name}": shape for name, shape in (
            ("attn_q", (width, width)), ("attn_k", (width, width)), ("attn_v", (width, width)), ("attn_output", (width, width)),
            ("attn_output_norm", (width,)), ("ffn_up", (hidden, width)), ("ffn_down", (width, hidden)), ("layer_output_norm", (width,)))}
    for name, shape in shapes.items():
        is_norm = name.endswith("norm")
        writer.add_tensor(name + ".weight", (numpy.ones(shape) if is_norm else random.normal(0, 0.3, shape)).astype(numpy.float32))
        if is_norm or name.startswith("blk"):
            writer.add_tensor(name + ".bias", random.normal(0, 0.3, shape[:1]).astype(numpy.float32))
    write(writer)
