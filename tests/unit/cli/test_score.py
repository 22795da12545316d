"""``aiops detect --scores`` and ``aiops score``."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, tzinfo=UTC)


def test_what_detect_writes_can_be_scored(aiops, tmp_path):
    """From KPIs over scores to figures, with two commands."""
    rows = ["observed_at,name,value"]
    for i in range(300):
        value = 900.0 if i in (200, 201, 202) else 100.0 + i % 7
        rows.append(f"{(START + timedelta(hours=i)).isoformat()},requests_per_s,{value}")
    (tmp_path / "kpis.csv").write_text("\n".join(rows))
    spell = [(START + timedelta(hours=i)).isoformat() for i in (200, 202)]
    (tmp_path / "labels.csv").write_text(f"begin,end,series\n{','.join(spell)},requests_per_s\n")
    told = aiops("detect", "kpis.csv", "--scores", "scores.csv", "--output", "json")
    assert 0 == told.status
    scored = aiops("score", "scores.csv", "labels.csv", "--output", "json")
    assert (1, 1.0) == (scored.data["events"], scored.data["event_recall"])
    assert scored.data["nab_standard"] > 50.0


def test_ranked_scores_carry_a_trouble_on(aiops, tmp_path):
    """What raises an alarm is the same; what comes after the trouble ranks above what came before."""
    rows = ["observed_at,name,value"]
    for i in range(300):
        value = 900.0 if i in (200, 201, 202) else 100.0 + i % 7
        rows.append(f"{(START + timedelta(hours=i)).isoformat()},requests_per_s,{value}")
    (tmp_path / "kpis.csv").write_text("\n".join(rows))
    plain = aiops("detect", "kpis.csv", "--scores", "plain.csv", "--output", "json")
    ranked = aiops("detect", "kpis.csv", "--scores", "ranked.csv", "--ranked", "--output", "json")
    assert plain.data == ranked.data
    told = [
        [float(line.split(",")[1]) for line in (tmp_path / file).read_text().splitlines()[1:]]
        for file in ("plain.csv", "ranked.csv")
    ]
    before, after = slice(100, 199), slice(203, 215)
    assert max(told[0][after]) < max(told[0][before]) + 0.01
    assert min(told[1][after]) > max(told[1][before])
    assert 1.0 > max(told[1]) == told[1][202]


def test_a_missing_file_is_bad_input(aiops):
    """Exit status 2, and the file is named."""
    answer = aiops("score", "nowhere.csv", "labels.csv")
    assert 2 == answer.status
    assert "nowhere.csv" in answer.err
