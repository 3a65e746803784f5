"""The built-in components and data sets, registered through the same hooks as those of other packages."""

from vaebench.hookspecs import Entry, hookimpl


@hookimpl
def vaebench_components() -> list[Entry]:
    """List the built-in components."""
    return [
        Entry("encoder", "mlp", "vaebench.encoders.mlp:Mlp", "fully connected layers"),
        Entry("encoder", "conv", "vaebench.encoders.conv:Conv", "strided convolutions"),
        Entry("encoder", "resnet", "vaebench.encoders.resnet:Resnet", "residual bottlenecks"),
        Entry("encoder", "vdvae", "vaebench.encoders.vdvae:Vdvae", "the very deep VAE's layer strings"),
        Entry("encoder", "none", "vaebench.encoders.none:NoEncoder", "for models without latents"),
        Entry("latent", "gaussian", "vaebench.latents.gaussian:Gaussian", "one group of normals"),
        Entry("latent", "topdown", "vaebench.latents.topdown:TopDown", "many groups, coarse to fine"),
        Entry("latent", "vq", "vaebench.latents.vq:Vq", "codes, codebook learned by gradient"),
        Entry("latent", "ema-vq", "vaebench.latents.ema_vq:EmaVq", "codes, codebook as moving averages"),
        Entry("latent", "none", "vaebench.latents.none:NoLatent", "no latents: the decoder alone"),
        Entry("prior", "normal", "vaebench.priors.normal:Normal", "standard or learned normal"),
        Entry("prior", "own", "vaebench.priors.own:Own", "the latent layer's own conditional at the root"),
        Entry("prior", "mog", "vaebench.priors.mog:Mog", "mixture of normals"),
        Entry("prior", "vamp", "vaebench.priors.vamp:Vamp", "mixture of posteriors at pseudo-images"),
        Entry("prior", "uniform", "vaebench.priors.uniform:Uniform", "every code equally likely"),
        Entry("prior", "pixelcnn", "vaebench.priors.pixelcnn:PixelCnn", "gated PixelCNN over codes"),
        Entry("prior", "none", "vaebench.priors.none:NoPrior", "for models without latents"),
        Entry("decoder", "mlp", "vaebench.decoders.mlp:Mlp", "fully connected layers"),
        Entry("decoder", "conv", "vaebench.decoders.conv:Conv", "upsampling convolutions"),
        Entry("decoder", "resnet", "vaebench.decoders.resnet:Resnet", "upsampling residual bottlenecks"),
        Entry(
            "decoder",
            "vdvae",
            "vaebench.decoders.vdvae:Vdvae",
            "the very deep VAE's gain and bias per channel",
        ),
        Entry(
            "decoder",
            "pixelcnn",
            "vaebench.decoders.pixelcnn:PixelCnn",
            "autoregressive over pixels, conditioned on z",
        ),
        Entry("likelihood", "bernoulli", "vaebench.likelihoods.bernoulli:Bernoulli", "binary pixels"),
        Entry("likelihood", "logistic", "vaebench.likelihoods.logistic:Logistic", "discretised logistic"),
        Entry(
            "likelihood",
            "logistic-mixture",
            "vaebench.likelihoods.logistic_mixture:LogisticMixture",
            "mixture of discretised logistics, colours coupled",
        ),
        Entry(
            "likelihood",
            "categorical",
            "vaebench.likelihoods.categorical:Categorical",
            "one logit per grey level",
        ),
        Entry("objective", "elbo", "vaebench.objectives.elbo:Elbo", "evidence lower bound"),
        Entry("objective", "beta", "vaebench.objectives.beta:Beta", "rate weighted by beta"),
        Entry(
            "objective",
            "capacity",
            "vaebench.objectives.capacity:Capacity",
            "rate held at a set number of nats",
        ),
        Entry("objective", "iwae", "vaebench.objectives.iwae:Iwae", "importance-weighted bound"),
        Entry("extractor", "digits", "vaebench.evaluation.extractors.small:digits", "8x8 digits"),
        Entry(
            "extractor", "mnist", "vaebench.evaluation.extractors.small:mnist", "28x28 digits, grey or binary"
        ),
        Entry(
            "extractor",
            "fashion-mnist",
            "vaebench.evaluation.extractors.small:fashion_mnist",
            "28x28 clothes",
        ),
        Entry("extractor", "inception", "vaebench.evaluation.extractors.inception:inception", "Inception v3"),
    ]


@hookimpl
def vaebench_datasets() -> list[Entry]:
    """List the built-in data sets."""
    return [
        Entry("dataset", "digits", "vaebench.datasets.digits:digits", "8x8 grey, embedded"),
        Entry("dataset", "mnist", "vaebench.datasets.mnist:mnist", "28x28 grey"),
        Entry("dataset", "fashion-mnist", "vaebench.datasets.mnist:fashion_mnist", "28x28 grey"),
        Entry("dataset", "mnist-binary", "vaebench.datasets.mnist_binary:mnist_binary", "28x28 binary"),
        Entry("dataset", "cifar10", "vaebench.datasets.cifar10:cifar10", "32x32 colour"),
        Entry("dataset", "celeba64", "vaebench.datasets.celeba64:celeba64", "64x64 colour faces"),
        Entry("dataset", "folder", "vaebench.datasets.folder:folder", "your own images: folder:PATH"),
    ]
