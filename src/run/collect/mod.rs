//! Taking away what is not needed any more.

pub mod collect;
