//! Which resource and method a path belongs to.
//!
//! Paths are matched as they were sent: a `%2F` is no separator, `..` and an empty segment are
//! segments like any other (A). The resource is chosen first and its method then, so a method that
//! the most specific resource lacks is not looked for at a less specific one (A).

use http::Method;
use stack_template::{Api, Route};

use crate::identifier::derived;

/// The methods that API Gateway knows, and that `ANY` stands for.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// An API's resources, most specific first.
#[derive(Debug)]
pub(crate) struct Router {
    resources: Vec<Resource>,
}

/// A resource that has methods.
#[derive(Debug)]
pub(crate) struct Resource {
    /// Such as `/records/{collection}`.
    pub(crate) path: String,
    /// Six characters that follow from the path.
    pub(crate) id: String,
    segments: Vec<Segment>,
    methods: Vec<Route>,
}

/// A segment of a resource's path. The order is that of precedence: exact, parameter, greedy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Exact(String),
    Parameter(String),
    Greedy(String),
}

impl Segment {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            None => Self::Exact(text.to_owned()),
            Some(name) => match name.strip_suffix('+') {
                None => Self::Parameter(name.to_owned()),
                Some(name) => Self::Greedy(name.to_owned()),
            },
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Exact(_) => 0,
            Self::Parameter(_) => 1,
            Self::Greedy(_) => 2,
        }
    }
}

/// A request's resource and method.
#[derive(Debug)]
pub(crate) struct Match<'r, 'p> {
    pub(crate) resource: &'r Resource,
    pub(crate) route: &'r Route,
    /// Parameters by name, with their text as it was sent.
    pub(crate) parameters: Vec<(&'r str, &'p str)>,
}

impl Router {
    pub(crate) fn new(api: &Api) -> Self {
        let mut resources: Vec<Resource> = Vec::new();
        for route in &api.routes {
            if let Some(known) = resources.iter_mut().find(|resource| resource.path == route.path) {
                known.methods.push(route.clone());
            } else {
                let text = route.path.trim_matches('/');
                resources.push(Resource {
                    path: route.path.clone(),
                    id: derived(6, &["resource", &api.api_id, &route.path]),
                    segments: if text.is_empty() {
                        Vec::new()
                    } else {
                        text.split('/').map(Segment::parse).collect()
                    },
                    methods: vec![route.clone()],
                });
            }
        }
        // Of two resources that match the same path, the one that is more specific at the first
        // segment where they differ comes first.
        resources
            .sort_by_cached_key(|resource| resource.segments.iter().map(Segment::rank).collect::<Vec<_>>());
        Self { resources }
    }

    /// Finds the method for a path that begins with a slash and has no stage.
    pub(crate) fn find<'r, 'p>(&'r self, method: &Method, path: &'p str) -> Option<Match<'r, 'p>> {
        if !METHODS.contains(&method.as_str()) {
            return None;
        }
        let path = path.strip_prefix('/')?;
        // One trailing slash belongs to no parameter and hinders no match.
        let path = path.strip_suffix('/').unwrap_or(path);
        let (resource, parameters) = self
            .resources
            .iter()
            .find_map(|resource| resource.parameters(path).map(|parameters| (resource, parameters)))?;
        let route = resource.route(method.as_str())?;
        Some(Match { resource, route, parameters })
    }
}

impl Resource {
    /// The parameters where the path matches. Neither kind of parameter matches nothing at all.
    fn parameters<'r, 'p>(&'r self, path: &'p str) -> Option<Vec<(&'r str, &'p str)>> {
        let mut parameters = Vec::new();
        let mut rest = (!path.is_empty()).then_some(path);
        for segment in &self.segments {
            let text = rest.take()?;
            let (head, tail) = match text.split_once('/') {
                Some((head, tail)) => (head, Some(tail)),
                None => (text, None),
            };
            match segment {
                Segment::Exact(exact) if exact == head => rest = tail,
                Segment::Parameter(name) if !head.is_empty() => {
                    parameters.push((name.as_str(), head));
                    rest = tail;
                }
                Segment::Greedy(name) if !text.is_empty() => parameters.push((name.as_str(), text)),
                Segment::Exact(_) | Segment::Parameter(_) | Segment::Greedy(_) => return None,
            }
        }
        rest.is_none().then_some(parameters)
    }

    fn route(&self, method: &str) -> Option<&Route> {
        let named = |name| self.methods.iter().find(|route| route.method == name);
        named(method).or_else(|| named("ANY"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    fn router(routes: &[(&str, &str)]) -> Router {
        let mut api = testing::stack().apis.remove(0);
        api.routes = routes
            .iter()
            .map(|(method, path)| Route {
                function: format!("{method} {path}"),
                ..testing::route(method, path)
            })
            .collect();
        Router::new(&api)
    }

    fn found(router: &Router, method: &Method, path: &str) -> Option<(String, Vec<(String, String)>)> {
        let found = router.find(method, path)?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some((found.route.function.clone(), found.parameters.iter().map(owned).collect()))
    }

    fn function(router: &Router, method: &Method, path: &str) -> Option<String> {
        found(router, method, path).map(|(function, _)| function)
    }

    #[test]
    fn exact_segments_beat_parameters_and_parameters_beat_greedy_ones_d() {
        let router = router(&[
            ("GET", "/{proxy+}"),
            ("GET", "/files/{name+}"),
            ("GET", "/files/{name}"),
            ("GET", "/files/latest"),
            ("GET", "/{any}/latest"),
        ]);
        let get = |path| function(&router, &Method::GET, path).expect("a route");
        assert_eq!(get("/files/latest"), "GET /files/latest");
        assert_eq!(get("/files/other"), "GET /files/{name}");
        assert_eq!(get("/files/a/b"), "GET /files/{name+}");
        assert_eq!(get("/x/latest"), "GET /{any}/latest");
        assert_eq!(get("/x/y"), "GET /{proxy+}");
    }

    #[test]
    fn a_dead_end_at_a_specific_segment_is_left_for_a_whole_match_a() {
        let router = router(&[("GET", "/a/b/c"), ("GET", "/a/{x}/d")]);
        assert_eq!(function(&router, &Method::GET, "/a/b/d").as_deref(), Some("GET /a/{x}/d"));
    }

    #[test]
    fn a_method_is_looked_for_at_the_most_specific_resource_only_a() {
        let router = router(&[("POST", "/files/latest"), ("GET", "/files/{name}")]);
        assert_eq!(function(&router, &Method::GET, "/files/latest"), None);
    }

    #[test]
    fn any_stands_for_every_method_and_a_named_one_beats_it_d() {
        let router = router(&[("ANY", "/a"), ("GET", "/a")]);
        assert_eq!(function(&router, &Method::GET, "/a").as_deref(), Some("GET /a"));
        assert_eq!(function(&router, &Method::HEAD, "/a").as_deref(), Some("ANY /a"));
        assert_eq!(function(&router, &Method::TRACE, "/a"), None);
    }

    #[test]
    fn head_is_not_get_m() {
        let router = router(&[("GET", "/a")]);
        assert_eq!(function(&router, &Method::HEAD, "/a"), None);
    }

    #[test]
    fn a_trailing_slash_matches_and_is_in_no_parameter_m() {
        let router =
            router(&[("GET", "/records/{collection}"), ("GET", "/files/{name+}"), ("GET", "/files")]);
        let value = |path| found(&router, &Method::GET, path).expect("a route").1.remove(0).1;
        assert_eq!(value("/records/invoices/"), "invoices");
        assert_eq!(value("/files/a/b/"), "a/b");
        assert_eq!(function(&router, &Method::GET, "/files/").as_deref(), Some("GET /files"));
    }

    #[test]
    fn parameters_are_not_decoded_m() {
        let router = router(&[("GET", "/records/{collection}/{id}")]);
        let (_, parameters) = found(&router, &Method::GET, "/records/a%2Bb/c%2Fd").expect("a route");
        assert_eq!(parameters, [("collection".into(), "a%2Bb".into()), ("id".into(), "c%2Fd".into())]);
    }

    #[test]
    fn dots_and_empty_segments_are_not_normalised_a() {
        let router =
            router(&[("GET", "/records/{collection}/{id}"), ("GET", "/files/{name+}"), ("GET", "/a")]);
        let get = |path| found(&router, &Method::GET, path);
        assert_eq!(get("/records/a/..").expect("a route").1[1].1, "..");
        assert_eq!(get("/files/a/../b").expect("a route").1[0].1, "a/../b");
        assert_eq!(get("/files/a//b").expect("a route").1[0].1, "a//b");
        assert_eq!(get("/records//x"), None);
        assert_eq!(get("//a"), None);
        assert_eq!(get("/b/../a"), None);
    }

    #[test]
    fn the_root_resource_is_found_d() {
        let router = router(&[("GET", "/"), ("GET", "/{proxy+}")]);
        assert_eq!(function(&router, &Method::GET, "/").as_deref(), Some("GET /"));
        assert_eq!(function(&router, &Method::GET, "/x").as_deref(), Some("GET /{proxy+}"));
    }

    #[derive(Debug, Clone)]
    enum Piece {
        Exact(String),
        Parameter(String),
    }

    fn piece() -> impl Strategy<Value = Piece> {
        prop_oneof![
            "[a-z]{1,6}".prop_map(Piece::Exact),
            // What may stand in a parameter: anything but a slash, encoded octets included.
            "([A-Za-z0-9._~+:@-]|%2[0-9A-F]){1,8}".prop_map(Piece::Parameter),
        ]
    }

    proptest! {
        #[test]
        fn a_template_matches_what_it_was_rendered_from_and_parameters_come_back_raw(
            pieces in prop::collection::vec(piece(), 1..6),
            tail in prop::option::of(prop::collection::vec("[A-Za-z0-9._%-]{1,5}", 1..4)),
            slash in any::<bool>(),
        ) {
            let (mut template, mut path) = (vec![String::new()], vec![String::new()]);
            let mut expected = Vec::new();
            for (index, piece) in pieces.into_iter().enumerate() {
                match piece {
                    Piece::Exact(text) => {
                        template.push(text.clone());
                        path.push(text);
                    }
                    Piece::Parameter(value) => {
                        template.push(format!("{{p{index}}}"));
                        path.push(value.clone());
                        expected.push((format!("p{index}"), value));
                    }
                }
            }
            if let Some(tail) = tail {
                template.push("{rest+}".to_owned());
                path.push(tail.join("/"));
                expected.push(("rest".to_owned(), tail.join("/")));
            }
            if slash {
                path.push(String::new());
            }
            let (template, path) = (template.join("/"), path.join("/"));
            let router = router(&[("GET", template.as_str())]);
            let (_, parameters) = found(&router, &Method::GET, &path).expect("the template's own path");
            prop_assert_eq!(parameters, expected);
            // One segment more is another path, unless the rest is greedy.
            if !template.ends_with("+}") {
                let longer = format!("{}/more", path.trim_end_matches('/'));
                prop_assert!(found(&router, &Method::GET, &longer).is_none());
            }
        }
    }
}
