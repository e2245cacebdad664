"""What of PyTorch is one layer of Braid: a line each."""

# Class of torch.nn: layer, attributes that are its parameters (= the layer's default, which is left out;
# =.x is the value of x), | attributes that must have this value.
MODULES = {
    "AdaptiveAvgPool1d": "AdaptiveAvgPool1d output_size",
    "AdaptiveAvgPool2d": "AdaptiveAvgPool2d output_size",
    "AvgPool1d": "AvgPool1d kernel_size stride=.kernel_size padding=0 ceil_mode=False count_include_pad=True",
    "AvgPool2d": "AvgPool2d kernel_size stride=.kernel_size padding=0 ceil_mode=False count_include_pad=True"
                 " | divisor_override=None",
    "AvgPool3d": "AvgPool3d kernel_size stride=.kernel_size padding=0 ceil_mode=False count_include_pad=True"
                 " | divisor_override=None",
    "BatchNorm1d": "BatchNorm1d eps=1e-5 momentum=0.1 affine=True track_running_stats=True",
    "BatchNorm2d": "BatchNorm2d eps=1e-5 momentum=0.1 affine=True track_running_stats=True",
    "BatchNorm3d": "BatchNorm3d eps=1e-5 momentum=0.1 affine=True track_running_stats=True",
    "Conv1d": "Conv1d out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True"
              " | padding_mode='zeros'",
    "Conv2d": "Conv2d out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True"
              " | padding_mode='zeros'",
    "Conv3d": "Conv3d out_channels kernel_size stride=1 padding=0 dilation=1 groups=1 bias=True"
              " | padding_mode='zeros'",
    "ConvTranspose1d": "ConvTranspose1d out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1"
                       " bias=True dilation=1 | padding_mode='zeros'",
    "ConvTranspose2d": "ConvTranspose2d out_channels kernel_size stride=1 padding=0 output_padding=0 groups=1"
                       " bias=True dilation=1 | padding_mode='zeros'",
    "ConstantPad1d": "Pad pad:padding value=0.0",
    "ConstantPad2d": "Pad pad:padding value=0.0",
    "ConstantPad3d": "Pad pad:padding value=0.0",
    "Dropout": "Dropout p=0.5",
    "ELU": "ELU alpha=1.0",
    "Embedding": "Embedding num_embeddings embedding_dim | padding_idx=None max_norm=None"
                 " scale_grad_by_freq=False",
    "Flatten": "Flatten start_dim=1 end_dim=-1",
    "GELU": "GELU approximate='none'",
    "GroupNorm": "GroupNorm num_groups eps=1e-5 affine=True",
    "Hardswish": "Hardswish",
    "Identity": "Identity",
    "InstanceNorm2d": "InstanceNorm2d eps=1e-5 momentum=0.1 affine=False track_running_stats=False",
    "LayerNorm": "LayerNorm normalized_shape eps=1e-5 elementwise_affine=True bias=True",
    "LeakyReLU": "LeakyReLU negative_slope=0.01",
    "Linear": "Linear out_features bias=True",
    "LogSoftmax": "LogSoftmax dim",
    "MaxPool1d": "MaxPool1d kernel_size stride=.kernel_size padding=0 ceil_mode=False dilation=1"
                 " | return_indices=False",
    "MaxPool3d": "MaxPool3d kernel_size stride=.kernel_size padding=0 ceil_mode=False dilation=1"
                 " | return_indices=False",
    "MaxPool2d": "MaxPool2d kernel_size stride=.kernel_size padding=0 ceil_mode=False dilation=1"
                 " | return_indices=False",
    "ReLU": "ReLU",
    "ReLU6": "ReLU6",
    "SiLU": "SiLU",
    "Sigmoid": "Sigmoid",
    "Softmax": "Softmax dim",
    "Softplus": "Softplus beta=1 threshold=20",
    "Tanh": "Tanh",
    "Upsample": "Upsample size=None scale_factor=None mode='nearest' align_corners=None",
    "UpsamplingBilinear2d": "Upsample size=None scale_factor=None mode='nearest' align_corners=None",
    "UpsamplingNearest2d": "Upsample size=None scale_factor=None mode='nearest' align_corners=None",
    "ZeroPad2d": "Pad pad:padding",
}

# Names of functions and methods: their signature, and the layer as above. An argument that is no
# parameter of the layer must have its default.
FUNCTIONS = {
    "adaptive_avg_pool1d": ("input output_size", MODULES["AdaptiveAvgPool1d"]),
    "adaptive_avg_pool2d": ("input output_size", MODULES["AdaptiveAvgPool2d"]),
    "avg_pool1d": ("input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True",
                   MODULES["AvgPool1d"]),
    "avg_pool2d": ("input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True"
                   " divisor_override=None", MODULES["AvgPool2d"]),
    "avg_pool3d": ("input kernel_size stride=None padding=0 ceil_mode=False count_include_pad=True"
                   " divisor_override=None", MODULES["AvgPool3d"]),
    "elu elu_": ("input alpha=1.0 inplace=False", MODULES["ELU"]),
    "flatten": ("input start_dim=0 end_dim=-1", MODULES["Flatten"]),
    "gelu": ("input approximate='none'", MODULES["GELU"]),
    "hardswish": ("input inplace=False", "Hardswish"),
    "leaky_relu leaky_relu_": ("input negative_slope=0.01 inplace=False", MODULES["LeakyReLU"]),
    "log_softmax": ("input dim _stacklevel=3 dtype=None", "LogSoftmax dim"),
    "max_pool1d": ("input kernel_size stride=None padding=0 dilation=1 ceil_mode=False return_indices=False",
                   MODULES["MaxPool1d"]),
    "max_pool3d": ("input kernel_size stride=None padding=0 dilation=1 ceil_mode=False return_indices=False",
                   MODULES["MaxPool3d"]),
    "max_pool2d": ("input kernel_size stride=None padding=0 dilation=1 ceil_mode=False return_indices=False",
                   MODULES["MaxPool2d"]),
    "normalize": ("input p=2.0 dim=1 eps=1e-12 out=None", "Normalize p=2.0 dim=1 eps=1e-12"),
    "relu relu_": ("input inplace=False", "ReLU"),
    "relu6": ("input inplace=False", "ReLU6"),
    "sigmoid sigmoid_": ("input", "Sigmoid"),
    "silu": ("input inplace=False", "SiLU"),
    "softmax": ("input dim _stacklevel=3 dtype=None", "Softmax dim"),
    "softplus": ("input beta=1 threshold=20", MODULES["Softplus"]),
    "tanh tanh_": ("input", "Tanh"),
}

# One operation on every element: its signature and the expression of a Math layer.
EXPRESSIONS = {
    "abs": ("input", "abs({input})"),
    "clamp clamp_ clip": ("input min=None max=None", None),
    "cos": ("input", "cos({input})"),
    "exp": ("input", "exp({input})"),
    "hardsigmoid": ("input inplace=False", "min(max({input} + 3, 0), 6) / 6"),
    "hardtanh hardtanh_": ("input min=-1.0 max=1.0 inplace=False", None),
    "log": ("input", "log({input})"),
    "maximum": ("a b", "max({a}, {b})"),
    "minimum": ("a b", "min({a}, {b})"),
    "neg": ("input", "-{input}"),
    "reciprocal": ("input", "1 / {input}"),
    "rsqrt": ("input", "1 / sqrt({input})"),
    "sin": ("input", "sin({input})"),
    "sqrt": ("input", "sqrt({input})"),
    "square": ("input", "{input} * {input}"),
    "add add_ iadd radd": ("a b alpha=1", "{a} + {b}"),
    "sub sub_ isub subtract": ("a b alpha=1", "{a} - {b}"),
    "rsub": ("b a alpha=1", "{a} - {b}"),
    "mul mul_ imul rmul multiply": ("a b", "{a} * {b}"),
    "div div_ truediv itruediv divide true_divide": ("a b rounding_mode=None", "{a} / {b}"),
    "rtruediv rdiv": ("b a", "{a} / {b}"),
    "pow pow_ ipow": ("a b", "{a} ** {b}"),
    "rpow": ("b a", "{a} ** {b}"),
}

# Modules of torch.nn whose forward() is followed; others that are not in the tables have no layer.
FOLLOWED = {"Sequential", "ModuleList", "ModuleDict", "Module", "Transformer", "TransformerEncoder",
            "TransformerDecoder", "TransformerEncoderLayer", "TransformerDecoderLayer"}
# Arguments that change nothing here.
IGNORED = {"inplace", "_stacklevel", "memory_format", "non_blocking", "copy"}

DEFAULT_TEXTS = [*MODULES.values(), *(text for _, text in FUNCTIONS.values())]
