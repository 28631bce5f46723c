//! What needs several rooms at once, on a real engine.

mod beside_compose;
