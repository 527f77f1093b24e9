//! The spans of one trace as a tree, to be looked into and to be shown.

use std::{collections::BTreeSet, fmt};

use super::receiver::ToldSpan;

/// A span and what was told in it, in the order of beginning.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: ToldSpan,
    pub children: Vec<Node>,
}

/// One trace. A whole one has one root; what has not come yet leaves its children roots.
#[derive(Debug, Clone)]
pub struct Tree {
    pub roots: Vec<Node>,
}

impl Tree {
    /// Of what has come of that trace.
    pub fn of(spans: &[ToldSpan], trace_id: &str) -> Self {
        let mut spans: Vec<_> = spans.iter().filter(|span| span.trace_id == trace_id).collect();
        spans.sort_by_key(|span| (span.began_ns, span.id.clone()));
        let ids: BTreeSet<_> = spans.iter().map(|span| span.id.as_str()).collect();
        let roots = spans.iter().filter(|span| {
            let parent = span.parent_id.as_deref();
            parent.is_none_or(|parent| !ids.contains(parent))
        });
        Self {
            roots: roots.map(|root| grow(root, &spans)).collect(),
        }
    }

    /// The first span to which this way leads from a root. Each step is `service KIND name`.
    pub fn at(&self, way: &[String]) -> Option<&Node> {
        let (first, rest) = way.split_first()?;
        let mut begun = self.roots.iter().filter(|root| root.label() == *first);
        begun.find_map(|root| root.at(rest))
    }

    /// Every span.
    pub fn all(&self) -> Vec<&ToldSpan> {
        let mut all = Vec::new();
        let mut left: Vec<_> = self.roots.iter().collect();
        while let Some(node) = left.pop() {
            all.push(&node.span);
            left.extend(&node.children);
        }
        all
    }

    /// The processes that have told something.
    pub fn services(&self) -> BTreeSet<&str> {
        self.all().into_iter().map(|span| span.service.as_str()).collect()
    }
}

impl Node {
    /// `service KIND name`.
    pub fn label(&self) -> String {
        let ToldSpan {
            service, kind, name, ..
        } = &self.span;
        format!("{service} {kind} {name}")
    }

    fn at(&self, way: &[String]) -> Option<&Node> {
        let Some((next, rest)) = way.split_first() else {
            return Some(self);
        };
        let mut next = self.children.iter().filter(|child| child.label() == *next);
        next.find_map(|child| child.at(rest))
    }

    fn show(&self, depth: usize, began_ns: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ToldSpan {
            service,
            kind,
            name,
            is_error,
            ..
        } = &self.span;
        let milliseconds = |from: u64, to: u64| (to as f64 - from as f64) / 1e6;
        let after = milliseconds(began_ns, self.span.began_ns);
        let took = milliseconds(self.span.began_ns, self.span.ended_ns);
        let name = format!("{}{name}", "  ".repeat(depth));
        let error = if *is_error { " ERROR" } else { "" };
        writeln!(
            f,
            "{name:<64} {kind:<8} {service:<11} +{after:>9.3} ms {took:>9.3} ms{error}"
        )?;
        for child in &self.children {
            child.show(depth + 1, began_ns, f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let began_ns = self.roots.first().map_or(0, |root| root.span.began_ns);
        for root in &self.roots {
            root.show(0, began_ns, f)?;
        }
        Ok(())
    }
}

fn grow(span: &ToldSpan, spans: &[&ToldSpan]) -> Node {
    let children = spans
        .iter()
        .filter(|child| child.parent_id.as_deref() == Some(&span.id));
    Node {
        children: children.map(|child| grow(child, spans)).collect(),
        span: span.clone(),
    }
}
