//! What the example gateways share.
