//! What holds for all that is planned of a push.

mod size;
