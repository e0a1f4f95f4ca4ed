//! Records of one seed: review-like texts of a Zipf vocabulary, with what goes with a review.

/// Words of the vocabulary; a Zipf law with this exponent says how often each is used.
const VOCABULARY: usize = 20_000;
const ZIPF: f64 = 1.05;
/// Words of the text that records are cut from, over and over.
const CORPUS: usize = 2_000_000;
/// Words of a record: a log-normal law, and this many more.
const LOG_MEAN: f64 = 3.6;
const LOG_DEVIATION: f64 = 0.7;
const FEWEST_WORDS: usize = 3;
/// Every so many records the text has a line break, or is a quotation.
const BREAK_EVERY: u64 = 7;
const QUOTE_EVERY: u64 = 11;

const LETTERS: &[u8; 26] = b"etaoinshrdlucmfwypvbgkjqxz";
const LETTER_WEIGHTS: [f64; 26] = [
    12.0, 9.0, 8.0, 7.6, 7.2, 7.0, 6.3, 6.0, 5.9, 4.3, 4.0, 2.8, 2.7, 2.6, 2.3, 2.2, 2.1, 2.0, 1.9,
    1.5, 1.0, 0.8, 0.2, 0.1, 0.1, 0.1,
];
const LANGUAGES: [&str; 4] = ["en", "fr", "de", "ja"];
const TAGS: [&str; 2] = ["a", "b c"];

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to and without 1.
    pub fn unit(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to and without `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.any()) * u128::from(n)) >> 64) as u64
    }

    fn normal(&mut self) -> f64 {
        let (radius, angle) = (
            (-2.0 * (1.0 - self.unit()).ln()).sqrt(),
            std::f64::consts::TAU * self.unit(),
        );
        radius * angle.cos()
    }
}

/// Draws from given weights: the running sums, and a search in them.
struct Weighted(Vec<f64>);

impl Weighted {
    fn new(weights: impl Iterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        Weighted(
            weights
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.0[self.0.len() - 1];
        self.0
            .partition_point(|sum| *sum <= at)
            .min(self.0.len() - 1)
    }
}

/// One record.
#[derive(Debug, Default)]
pub struct Record {
    /// Its number, from 0.
    pub id: u64,
    /// A few sentences.
    pub text: String,
    /// The address of a picture.
    pub image: String,
    /// From 1 to 5.
    pub stars: u64,
    /// A share, with four digits.
    pub helpful: f64,
    /// Any.
    pub verified: bool,
    /// A language.
    pub lang: &'static str,
    /// A name.
    pub user: String,
    /// A time.
    pub ts: String,
    /// At most two.
    pub tags: &'static [&'static str],
    /// A share, with three digits.
    pub score: f64,
    /// What a model made of it.
    pub choice: &'static str,
}

/// Records without end.
pub struct Records {
    /// What else of this seed is drawn from.
    pub random: Random,
    /// All words of the corpus, each followed by a space, and where each ends.
    corpus: String,
    ends: Vec<u32>,
    word: usize,
    id: u64,
}

impl Records {
    /// The records of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let letters = Weighted::new(LETTER_WEIGHTS.into_iter());
        let mut words: Vec<String> = (0..VOCABULARY)
            .map(|_| {
                let length = 2 + random.below(9);
                (0..length)
                    .map(|_| char::from(LETTERS[letters.draw(&mut random)]))
                    .collect()
            })
            .collect();
        words
            .iter_mut()
            .skip(36)
            .step_by(37)
            .for_each(|word| word.push('é'));
        words
            .iter_mut()
            .step_by(211)
            .for_each(|word| "日本語".clone_into(word));
        words
            .iter_mut()
            .step_by(499)
            .for_each(|word| "😀".clone_into(word));
        let ranks = Weighted::new((1..=VOCABULARY).map(|rank| (rank as f64).powf(-ZIPF)));
        let mut corpus = String::new();
        let mut ends = vec![0];
        for _ in 0..CORPUS {
            corpus += &words[ranks.draw(&mut random)];
            corpus.push(' ');
            ends.push(corpus.len() as u32);
        }
        Records {
            random,
            corpus,
            ends,
            word: 0,
            id: 0,
        }
    }

    /// The next record, in place of the last one.
    pub fn next(&mut self, record: &mut Record) {
        let random = &mut self.random;
        let id = self.id;
        self.id += 1;
        let words = ((LOG_MEAN + LOG_DEVIATION * random.normal()).exp() as usize).min(CORPUS / 2)
            + FEWEST_WORDS;
        if self.word + words > CORPUS {
            self.word = random.below(1_000) as usize;
        }
        let (from, to) = (
            self.ends[self.word] as usize,
            self.ends[self.word + words] as usize - 1,
        );
        self.word += words;
        let text = &mut record.text;
        text.clear();
        let quoted = id.is_multiple_of(QUOTE_EVERY);
        if quoted {
            text.push_str("He said \"");
        }
        let mut half = from + (to - from) / 2;
        while !self.corpus.is_char_boundary(half) {
            half += 1;
        }
        text.push_str(&self.corpus[from..half]);
        if id.is_multiple_of(BREAK_EVERY) {
            text.push('\n');
        }
        text.push_str(&self.corpus[half..to]);
        if quoted {
            text.push_str("\", then left.");
        }
        record.id = id;
        record.image = format!(
            "https://cdn.example.com/img/{:05}/{:016x}.jpg",
            id % 9973,
            random.any()
        );
        record.stars = 1 + random.below(5);
        record.helpful = (random.unit() * 1e4).round() / 1e4;
        record.verified = random.below(2) == 0;
        record.lang = LANGUAGES[random.below(4) as usize];
        record.user = format!("u{:08x}", random.any() as u32);
        record.ts = format!(
            "2026-0{}-1{}T0{}:00:00Z",
            1 + random.below(9),
            random.below(10),
            random.below(10)
        );
        record.tags = &TAGS[..random.below(3) as usize];
        record.score = (random.unit() * 1e3).round() / 1e3;
        record.choice = ["Positive", "Negative"][random.below(2) as usize];
    }
}
