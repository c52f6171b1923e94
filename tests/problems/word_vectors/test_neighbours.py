"""Nearest words, analogies, test sets and the exported file; by hand and, where it is installed, as gensim has them."""

import gzip
import itertools

import numpy as np
import pytest

from raysq.errors import DataError, SourceError, UsageError
from raysq.inference.neighbors import evaluate, parse_analogy, read_test_set, write_word2vec
from raysq.text.embeddings import read_vectors
from raysq.text.neighbors import WordEmbeddings, nearest, principal, rank_correlation, unit_rows

WORDS = [f"word{number}" for number in range(60)]


@pytest.fixture
def vectors():
    return WordEmbeddings(WORDS, np.random.RandomState(0).normal(size=(60, 8)))


def test_neighbors_are_those_with_the_largest_cosine(vectors):
    def cosine(one, other):
        return one @ other / np.linalg.norm(one) / np.linalg.norm(other)

    found = vectors.neighbors("word7", 5)
    wanted = sorted(((cosine(vectors["word7"], vectors[w]), w) for w in WORDS if w != "word7"), reverse=True)[:5]
    assert [word for word, _ in found] == [word for _, word in wanted]
    np.testing.assert_allclose([value for _, value in found], [value for value, _ in wanted], rtol=1e-5)
    assert vectors.similarity("word1", "word2") == pytest.approx(cosine(vectors["word1"], vectors["word2"]), rel=1e-5)
    first = vectors.neighbors("WORD7", 100, among=20)
    assert len(first) == 19 and all(int(word[4:]) < 20 for word, _ in first)


def test_what_cannot_be_asked_is_told(vectors):
    with pytest.raises(UsageError, match="'word' is not among the 60 .*did you mean word"):
        vectors.neighbors("word")
    with pytest.raises(UsageError, match="'\u96ea' is not among the 60 .*: it is rare in the texts, or not in them"):
        vectors.neighbors("\u96ea")
    for wrong in ({"top": 0}, {"among": 0}):
        with pytest.raises(UsageError, match="is 1 or more: not 0"):
            vectors.neighbors("word1", **wrong)
    with pytest.raises(UsageError, match="no word was given"):
        vectors.combine([], [])
    for wrong in ("", 5, None):
        with pytest.raises(UsageError, match="a word must be a text that is not empty, received"):
            vectors.neighbors(wrong)
    with pytest.raises(DataError, match="60 words and 59 vectors"):
        WordEmbeddings(WORDS, np.zeros((59, 3)))


def test_an_accent_of_the_other_unicode_form_makes_no_other_word():
    composed, apart = "caf\u00e9", "cafe\u0301"
    for known, asked in ((composed, apart), (apart, composed), (composed, apart.upper()), (apart, apart)):
        assert WordEmbeddings(["tea", known], np.eye(2)).find(asked) == 1
    assert WordEmbeddings(["tea", "cafe"], np.eye(2)).find(apart) is None
    both = WordEmbeddings([composed, apart], np.eye(2))  # of data that were not normalized
    assert [both.find(composed), both.find(apart)] == [0, 1]


def test_rows_of_noughts_and_ties_have_an_order():
    unit = unit_rows(np.array([[1.0, 0], [0, 0], [1, 0], [0, 1], [-1, 0]]))
    (found,) = nearest(unit, np.array([[2.0, 0]]), 4, without=[[0]])
    assert found == [(2, 1.0), (1, 0.0), (3, 0.0), (4, -1.0)]


def test_sums_are_parsed_with_their_signs():
    assert parse_analogy("king - man + woman") == (["king", "woman"], ["man"])
    assert parse_analogy(" well-known  +  c++ ") == (["well-known", "c++"], [])
    for wrong in ("king", "king -", "king man woman", "king * man", "", "king-man+woman"):
        with pytest.raises(UsageError, match="an analogy is words with"):
            parse_analogy(wrong)


def test_rank_correlation_takes_equal_values_at_their_mean_rank():
    assert rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4: covariance 4.5, variances 4.5 and 5.
    assert rank_correlation([0, 1, 1, 2], [5, 7, 6, 8]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))


def test_the_plane_of_largest_variance():
    random = np.random.RandomState(1)
    points = random.normal(size=(200, 3)) * [5, 2, 0.1] + 7
    plane, shares = principal(points)
    np.testing.assert_allclose(np.abs(np.corrcoef(plane[:, 0], points[:, 0])[0, 1]), 1, atol=1e-2)
    np.testing.assert_allclose(plane.mean(0), 0, atol=1e-9)
    assert shares[0] > shares[1] and shares.sum() == pytest.approx(1, abs=1e-2)
    assert principal(np.ones((3, 1)))[0].shape == (3, 2)


def test_test_sets_of_both_forms_are_read(tmp_path):
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("# comment\nWord 1\tWord 2\tHuman (mean)\nlove\tsex\t6.77\ntiger\tcat\t7.35\n")
    assert read_test_set(pairs).pairs == (("love", "sex", 6.77), ("tiger", "cat", 7.35))
    questions = tmp_path / "questions.txt"
    questions.write_text(": capitals\nAthens Greece Baghdad Iraq\n: empty\n: family\nboy girl king queen\n")
    assert [(name, len(found)) for name, found in read_test_set(questions).sections] == [("capitals", 1), ("family", 1)]
    (tmp_path / "prose.txt").write_text("This is no test set at all.\nAnd it goes on here.\n")
    with pytest.raises(DataError, match=r"prose\.txt"):
        read_test_set(tmp_path / "prose.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="neither pairs of words with a number nor questions"):
        read_test_set(tmp_path / "empty.txt")
    with pytest.raises(SourceError, match="cannot be read"):
        read_test_set(tmp_path / "nowhere.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="cannot be read"):
        read_test_set(tmp_path / "bytes.txt")


def test_what_is_not_known_is_left_out_and_counted(tmp_path, vectors):
    path = tmp_path / "pairs.csv"
    path.write_text("word1,word2,3\nword1,nowhere,9\nword3,word4,1\nWORD5,word6,2\n")
    found = evaluate(vectors, read_test_set(path))
    cosines = [vectors.similarity(f"word{n}", f"word{n + 1}") for n in (1, 3, 5)]
    assert found["pairs"] == 4 and found["covered"] == 3
    assert found["spearman"] == pytest.approx(rank_correlation(cosines, [3, 1, 2]))
    path.write_text("word1,word2,3\n")
    assert evaluate(vectors, read_test_set(path))["spearman"] is None
    plane = WordEmbeddings(["man", "woman", "king", "queen"], np.array([[1.0, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]]))
    path.write_text(": family\nman woman king queen\nwoman man queen king\nman king nobody queen\n: none\na b c d\n")
    found = evaluate(plane, read_test_set(path))
    assert (found["questions"], found["covered"], found["accuracy"]) == (4, 2, 1.0)
    assert [(one["covered"], one["accuracy"]) for one in found["sections"]] == [(2, 1.0), (0, None)]


def test_the_exported_file_holds_every_number(tmp_path, vectors):
    plain = write_word2vec(vectors, tmp_path / "vectors.txt")
    assert plain == {"output": str(tmp_path / "vectors.txt"), "words": 60, "left_out": 0, "dimension": 8}
    rows, matrix = read_vectors(tmp_path / "vectors.txt", WORDS)
    assert rows.tolist() == list(range(60))
    np.testing.assert_array_equal(matrix, vectors.vectors)
    write_word2vec(vectors, tmp_path / "vectors.txt.gz")
    packed = (tmp_path / "vectors.txt.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "vectors.txt").read_bytes()
    write_word2vec(vectors, tmp_path / "again.txt.gz")
    assert (tmp_path / "again.txt.gz").read_bytes() == packed
    odd = write_word2vec(WordEmbeddings(["a b", "c", "d\ne", "caf\u00e9"], np.ones((4, 2))), tmp_path / "odd.txt")
    assert odd["words"] == odd["left_out"] == 2
    assert (tmp_path / "odd.txt").read_text("utf-8") == "2 2\nc 1 1\ncaf\u00e9 1 1\n"
    with pytest.raises(SourceError, match="cannot be written"):
        write_word2vec(vectors, tmp_path / "nowhere" / "vectors.txt")


def test_gensim_loads_the_file_and_agrees(tmp_path, vectors):
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: pip install 'raysq[test]'")
    for name in ("vectors.txt", "vectors.txt.gz"):
        write_word2vec(vectors, tmp_path / name)
        loaded = models.KeyedVectors.load_word2vec_format(str(tmp_path / name))
        assert loaded.index_to_key == WORDS
        np.testing.assert_array_equal(loaded.vectors, vectors.vectors)
    for found, wanted in (
        (vectors.neighbors("word9", 7), loaded.most_similar("word9", topn=7)),
        (
            vectors.combine(["word1", "word2"], ["word3"], 7),
            loaded.most_similar(positive=["word1", "word2"], negative=["word3"], topn=7),
        ),
    ):
        assert [word for word, _ in found] == [word for word, _ in wanted]
    found, wanted = vectors.neighbors("word9", 7), loaded.most_similar("word9", topn=7)
    np.testing.assert_allclose([value for _, value in found], [value for _, value in wanted], rtol=1e-5)


def test_gensim_counts_test_sets_alike(tmp_path, vectors):
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: pip install 'raysq[test]'")
    write_word2vec(vectors, tmp_path / "vectors.txt")
    loaded = models.KeyedVectors.load_word2vec_format(str(tmp_path / "vectors.txt"))
    random = np.random.RandomState(4)
    # Each pair once: equal cosines would be ranked by their rounding.
    drawn = random.permutation([f"{a}\t{b}" for a, b in itertools.combinations([*WORDS, "nowhere"], 2)])[:80].tolist()
    pairs = [(*pair.split("\t"), round(random.random_sample() * 10)) for pair in drawn]
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\t{value}\n" for a, b, value in pairs))
    _, spearman, unknown = loaded.evaluate_word_pairs(str(tmp_path / "pairs.tsv"))
    found = evaluate(vectors, read_test_set(tmp_path / "pairs.tsv"))
    assert found["spearman"] == pytest.approx(spearman[0], abs=1e-6)
    assert found["covered"] == round(80 * (1 - unknown / 100))
    # Questions that the vectors answer, and as many that they do not.
    asked = [(a, b, c, vectors.combine([b, c], [a], 1)[0][0]) for a, b, c in random.choice(WORDS, (30, 3))]
    asked += [tuple(random.choice(WORDS, 4)) for _ in range(30)]
    (tmp_path / "asked.txt").write_text(": made\n" + "".join(" ".join(one) + "\n" for one in asked))
    accuracy, _ = loaded.evaluate_word_analogies(str(tmp_path / "asked.txt"), case_insensitive=True)
    found = evaluate(vectors, read_test_set(tmp_path / "asked.txt"))
    assert found["accuracy"] == pytest.approx(accuracy) and 0.4 < accuracy < 0.7
