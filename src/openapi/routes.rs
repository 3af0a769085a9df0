//! A router and its document, made of one table: what is served is described, and the other way round.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter};

use super::doc::Doc;
use super::takes::{Described, Operation};

/// Routes with handlers over the state `S`.
pub(crate) struct Routes<S> {
    router: Router<S>,
    served: Vec<Served>,
}

/// What is served at one path, by method.
pub(crate) struct Methods<S> {
    router: MethodRouter<S>,
    operations: Vec<(&'static str, Describe, Doc)>,
}

/// Says what an operation's requests are.
pub(crate) type Describe = fn(&mut Operation<'_>);

/// One operation, its place and its group.
pub(crate) struct Served {
    pub(crate) tag: &'static str,
    pub(crate) path: String,
    pub(crate) method: &'static str,
    /// Says what its requests are.
    pub(crate) describe: Describe,
    pub(crate) doc: Doc,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Without a route.
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), served: Vec::new() }
    }

    /// With what is served at `path`, in the document under `tag`.
    pub(crate) fn route(mut self, tag: &'static str, path: &str, methods: Methods<S>) -> Self {
        self.router = self.router.route(path, methods.router);
        let served = methods.operations.into_iter().map(|(method, describe, doc)| Served {
            tag,
            path: path.to_owned(),
            method,
            describe,
            doc,
        });
        self.served.extend(served);
        self
    }

    /// With all of another's.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.served.extend(other.served);
        self
    }

    /// What is served, for a document.
    pub(crate) fn served(&self) -> &[Served] {
        &self.served
    }

    /// The same for good.
    pub(crate) fn into_served(self) -> Vec<Served> {
        self.served
    }

    /// What serves it.
    pub(crate) fn into_router(self) -> Router<S> {
        self.router
    }
}

impl<S: Clone + Send + Sync + 'static> Methods<S> {
    fn with<H, T, A>(
        mut self,
        (filter, method): (MethodFilter, &'static str),
        handler: H,
        doc: Doc,
    ) -> Self
    where
        H: Handler<T, S> + Described<A>,
        T: 'static,
    {
        self.router = self.router.on(filter, handler);
        self.operations.push((method, <H as Described<A>>::describe, doc));
        self
    }
}

macro_rules! methods {
    ($($name:ident, $filter:ident);+) => {
        impl<S: Clone + Send + Sync + 'static> Methods<S> {
            $(
                /// Answers this method as well.
                pub(crate) fn $name<H, T, A>(self, handler: H, doc: Doc) -> Self
                where
                    H: Handler<T, S> + Described<A>,
                    T: 'static,
                {
                    self.with((MethodFilter::$filter, stringify!($name)), handler, doc)
                }
            )+
        }
    };
}

macro_rules! first {
    ($($name:ident),+) => {
        $(
            /// Answers this method.
            pub(crate) fn $name<S, H, T, A>(handler: H, doc: Doc) -> Methods<S>
            where
                S: Clone + Send + Sync + 'static,
                H: Handler<T, S> + Described<A>,
                T: 'static,
            {
                let none = Methods { router: MethodRouter::new(), operations: Vec::new() };
                none.$name(handler, doc)
            }
        )+
    };
}

methods!(get, GET; post, POST; patch, PATCH; delete, DELETE);
first!(get, post);
