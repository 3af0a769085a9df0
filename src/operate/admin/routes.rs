//! The routes of the admin port, kept in a list beside the router: that each has its rule is tested.

use std::sync::Arc;

use axum::Router;
use axum::routing::MethodRouter;

use super::Operator;

/// Routes as they are added.
pub(super) struct Routes {
    router: Router<Arc<Operator>>,
    #[cfg(test)]
    pub(super) paths: Vec<String>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            #[cfg(test)]
            paths: Vec::new(),
        }
    }

    pub(super) fn route(mut self, path: &str, methods: MethodRouter<Arc<Operator>>) -> Self {
        #[cfg(test)]
        self.paths.push(path.to_owned());
        self.router = self.router.route(path, methods);
        self
    }

    pub(super) fn into_router(self) -> Router<Arc<Operator>> {
        self.router
    }
}
