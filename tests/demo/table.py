# SPDX-License-Identifier: Apache-2.0
"""Shows the ten commonest words of the dict demo/words and checks every count against the output of uniq -c.

    table.py URL EXPECTED
"""

import sys

import sabir


def main(url, expected_file):
    with open(expected_file, encoding="ascii") as file:
        expected = {word: int(count) for count, word in map(str.split, file)}
    with sabir.connect(url) as client:
        words = dict(client.dict("demo/words").items())
        lines = client.value("q", name="demo/done").value
        total = client.value("q", name="demo/total").value
        seconds = client.value("d", name="demo/ended").value - client.value("d", name="demo/began").value
    print(f"\n  {'word':<12}{'sabir':>10}{'uniq -c':>10}")
    for word in sorted(words, key=lambda word: (-words[word], word))[:10]:
        print(f"  {word:<12}{words[word]:>10}{expected.get(word, 0):>10}")
    n_words = sum(words.values())
    print(f"\n{lines} lines, {n_words} words in {seconds:.2f} s: {lines / seconds:.0f} lines (items) per second")
    wrong = sorted(word for word in words.keys() | expected.keys() if words.get(word) != expected.get(word))
    if wrong or lines != total:
        print(f"NOT every count agrees: {lines} of {total} lines; {len(wrong)} words differ: {', '.join(wrong[:10])}")
        return 1
    print(f"every count agrees: {len(words)} different words")
    return 0


sys.exit(main(*sys.argv[1:]))
