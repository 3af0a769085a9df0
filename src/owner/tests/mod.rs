//! The API of account owners, over real sockets and a real store.
