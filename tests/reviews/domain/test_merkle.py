"""The tree of the log, against RFC 6962 read naively, and against the test vectors of certificate transparency."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.domain.merkle import (
    EMPTY_ROOT,
    TILE_LEVELS,
    TILE_WIDTH,
    Frontier,
    consistency_proof,
    fold,
    frontier_of,
    inclusion_proof,
    leaf_hash,
    node_hash,
    proves_consistency,
    proves_inclusion,
    root_of,
)

# Of the reference implementation (certificate-transparency/python/ct/crypto/merkle_test.py, also in RFC 6962's errata).
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        *("", "00", "10", "2021", "3031", "40414243"),
        *("5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


class Kept:
    """A tree with its kept levels, as the sealer keeps them."""

    def __init__(self, leaves):
        self.levels = {0: list(leaves)}
        frontier = Frontier()
        for leaf in leaves:
            for node in frontier.append(leaf):
                level = self.levels.setdefault(node.level // TILE_LEVELS, [])
                assert node.index == len(level)
                level.append(node.hash)
        self.frontier = frontier

    def __call__(self, level, index):
        return self.levels[level][index * TILE_WIDTH : (index + 1) * TILE_WIDTH]


# ---- RFC 6962, section 2.1, word for word ---------------------------------------------------------------------------


def split(size):
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def naive_root(entries):
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_path(m, entries):
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_proof(m, entries, whole=True):
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = split(len(entries))
    if m <= k:
        return [*naive_proof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_proof(m - k, entries[k:], False), naive_root(entries[:k])]


def entries_of(size):
    return [b"%d" % number for number in range(size)]


# ---- Published vectors ----------------------------------------------------------------------------------------------


def test_the_empty_tree_has_the_hash_of_nothing():
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Frontier().root() == EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size):
    assert root_of([leaf_hash(entry) for entry in ENTRIES[:size]]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index, size):
    tree = Kept([leaf_hash(entry) for entry in ENTRIES])
    assert [each.hex() for each in inclusion_proof(index, size, tree)] == INCLUSION[index, size]


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(first, second):
    tree = Kept([leaf_hash(entry) for entry in ENTRIES])
    assert [each.hex() for each in consistency_proof(first, second, tree)] == CONSISTENCY[first, second]


# ---- Against the naive reading --------------------------------------------------------------------------------------

sizes = st.integers(1, 70) | st.integers(250, 530)


@given(sizes, st.data())
def test_proofs_are_those_of_the_naive_reading_and_hold(size, data):
    entries = entries_of(size)
    tree = Kept([leaf_hash(entry) for entry in entries])
    root = tree.frontier.root()
    assert root == naive_root(entries)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, tree)
    assert path == naive_path(index, entries)
    assert proves_inclusion(leaf_hash(entries[index]), index=index, size=size, proof=path, root=root)
    first = data.draw(st.integers(1, size))
    proof = consistency_proof(first, size, tree)
    assert proof == naive_proof(first, entries)
    assert proves_consistency(first, naive_root(entries[:first]), size, root, proof)


@given(sizes, st.data())
def test_a_proof_of_something_else_does_not_hold(size, data):
    entries = entries_of(size)
    tree = Kept([leaf_hash(entry) for entry in entries])
    root, index = tree.frontier.root(), data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, tree)
    leaf = leaf_hash(entries[index])

    def holds(hashed=leaf, index=index, size=size, proof=path, root=root):
        return proves_inclusion(hashed, index=index, size=size, proof=proof, root=root)

    assert not holds(hashed=leaf_hash(b"another"))
    assert not holds(root=leaf_hash(b"another"))
    assert not holds(proof=[*path, root])
    assert not any(holds(index=other) for other in {index - 1, index + 1, size})
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        assert not holds(proof=path[:place] + path[place + 1 :])
        assert not holds(proof=[*path[:place], leaf, *path[place + 1 :]])


@given(sizes, st.data())
def test_a_tree_that_was_rewritten_is_not_consistent(size, data):
    entries = entries_of(size)
    first = data.draw(st.integers(1, size))
    changed = data.draw(st.integers(0, first - 1))
    old = naive_root(entries[:first])
    entries[changed] = b"rewritten"
    tree = Kept([leaf_hash(entry) for entry in entries])
    proof = consistency_proof(first, size, tree)
    assert not proves_consistency(first, old, size, tree.frontier.root(), proof)


@given(st.integers(0, 600))
def test_a_tree_goes_on_from_its_kept_levels(size):
    leaves = [leaf_hash(entry) for entry in entries_of(size)]
    assert frontier_of(size, Kept(leaves)) == Kept(leaves).frontier


def test_three_levels_of_tiles_give_the_root_of_all_leaves():
    size = TILE_WIDTH * TILE_WIDTH + 3 * TILE_WIDTH + 5
    tree = Kept([leaf_hash(b"%d" % number) for number in range(size)])
    assert len(tree.levels[2]) == 1
    root = tree.frontier.root()
    assert frontier_of(size, tree).root() == root
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        path = inclusion_proof(index, size, tree)
        assert proves_inclusion(leaf_hash(b"%d" % index), index=index, size=size, proof=path, root=root)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_there_is_no_proof_of_a_leaf_past_the_end(index, size):
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(index, size, Kept([leaf_hash(b"")] * 3))
    assert not proves_inclusion(leaf_hash(b""), index=index, size=size, proof=[], root=leaf_hash(b""))


def test_a_tree_never_shrinks():
    with pytest.raises(ValueError, match="does not go on"):
        consistency_proof(3, 2, Kept([leaf_hash(b"")] * 3))
    assert not proves_consistency(3, ENTRIES[0], 2, ENTRIES[0], [])


def test_a_tile_that_lacks_hashes_gives_no_proof():
    with pytest.raises(ValueError, match="lacks hashes"):
        inclusion_proof(0, 4, lambda level, index: [leaf_hash(b"")])


def test_a_node_is_not_a_leaf():
    left, right = leaf_hash(b"left"), leaf_hash(b"right")
    assert node_hash(left, right) != leaf_hash(left + right)
    assert fold([left, right]) == node_hash(left, right)
