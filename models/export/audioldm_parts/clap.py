"""ClapTextModelWithProjection of transformers: a RoBERTa with a pooler and a projection."""
import torch
from torch import nn
from torch.nn import functional as F


class Embeddings(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        width = cfg["hidden_size"]
        self.pad = cfg.get("pad_token_id", 1)
        self.word_embeddings = nn.Embedding(cfg["vocab_size"], width)
        self.position_embeddings = nn.Embedding(cfg["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(cfg.get("type_vocab_size", 1), width)
        self.LayerNorm = nn.LayerNorm(width, eps=cfg.get("layer_norm_eps", 1e-12))

    def forward(self, ids):
        real = (ids != self.pad).long()
        positions = torch.cumsum(real, dim=1) * real + self.pad
        return self.LayerNorm(self.word_embeddings(ids) + self.token_type_embeddings.weight[0] + self.position_embeddings(positions))


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x, mask):
        size = x.shape[2] // self.heads

        def split(t):
            return t.reshape(t.shape[0], -1, self.heads, size).transpose(1, 2)

        q, k, v = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = torch.softmax(torch.matmul(q, k.transpose(2, 3)) * size ** -0.5 + mask, dim=-1)
        return torch.matmul(weights, v).transpose(1, 2).reshape(x.shape)


class AddNorm(nn.Module):
    """A projection, the skip, and the norm behind both."""

    def __init__(self, cin, cout, eps):
        super().__init__()
        self.dense = nn.Linear(cin, cout)
        self.LayerNorm = nn.LayerNorm(cout, eps=eps)

    def forward(self, h, x):
        return self.LayerNorm(self.dense(h) + x)


class Layer(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        width, inner, eps = cfg["hidden_size"], cfg["intermediate_size"], cfg.get("layer_norm_eps", 1e-12)
        self.attention = nn.ModuleDict({"self": SelfAttention(width, cfg["num_attention_heads"]), "output": AddNorm(width, width, eps)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = AddNorm(inner, width, eps)

    def forward(self, x, mask):
        x = self.attention["output"](self.attention["self"](x, mask), x)
        return self.output(F.gelu(self.intermediate["dense"](x)), x)


class Text(nn.Module):
    """input_ids and attention_mask [batch, tokens] to text_embeds [batch, projection], not normalised."""

    # Counters that old versions of transformers saved along.
    unused = ("text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids")

    def __init__(self, cfg):
        super().__init__()
        for field, allowed in {"hidden_act": ("gelu",), "projection_hidden_act": ("relu",), "position_embedding_type": ("absolute", None)}.items():
            if field in cfg and cfg[field] not in allowed:
                raise ValueError("text_encoder: %s is %r, known is %s" % (field, cfg[field], allowed))
        width, out = cfg["hidden_size"], cfg["projection_dim"]
        self.text_model = nn.ModuleDict({
            "embeddings": Embeddings(cfg),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList([Layer(cfg) for _ in range(cfg["num_hidden_layers"])])}),
            "pooler": nn.ModuleDict({"dense": nn.Linear(width, width)}),
        })
        self.text_projection = nn.ModuleDict({"linear1": nn.Linear(width, out), "linear2": nn.Linear(out, out)})

    def forward(self, input_ids, attention_mask):
        mask = (1 - attention_mask[:, None, None, :].float()) * -1e9
        x = self.text_model["embeddings"](input_ids)
        for layer in self.text_model["encoder"]["layer"]:
            x = layer(x, mask)
        pooled = torch.tanh(self.text_model["pooler"]["dense"](x[:, 0]))
        return self.text_projection["linear2"](F.relu(self.text_projection["linear1"](pooled)))
