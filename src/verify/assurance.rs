//! What a sample proves about the whole backup.

/// The statement: with `confidence`, at most `at_most_bad` of `population` files are bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Assurance {
    /// Files the statement is about.
    pub population: u64,
    /// Conclusive picks.
    pub conclusive: u64,
    /// Bad ones among them.
    pub bad: u64,
    /// Confidence, between 0 and 1.
    pub confidence: f64,
    /// Upper bound on bad files in the population.
    pub at_most_bad: u64,
}
