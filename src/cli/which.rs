//! Which environment a command is for.

/// An environment by its name, as far as it has to be named.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Which environment; not needed where the project has only one
    pub environment: Option<String>,
    /// Which project; not needed where only one is set
    #[arg(short, long, value_name = "NAME")]
    pub project: Option<String>,
}
