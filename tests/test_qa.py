"""Questions: the option that an answer names, right answers, two passes in one."""

import time

import numpy as np
import pytest

from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.metrics.joining import join_passes, match_predictions
from groundvts.metrics.predictions import Prediction, PredictionFile
from groundvts.metrics.qa import question_scores, read_choice, read_choices

OPTIONS = ["to play", "the red dog", "dog", "a man is running", "wave"]
A, B, C, D, E = range(5)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        *[(f"({letter})", place) for place, letter in enumerate("ABCDE")],
        *[(letter, place) for place, letter in enumerate("ABCDE")],
        ("b", B),
        ("(e)", E),
        ("E.", E),
        ("E)", E),
        ("E: wave", E),
        (" B. the red dog", B),
        ("(B) the red dog", B),
        ("(B) the red dog, as a child would", B),
        ("B. the red", B),
        ("**B**", B),
        ("B\nbecause of it", B),
        ("B - the red dog", B),
        ("B because it barks", B),
        ("Answer: B", B),
        ("answer: (b)", B),
        ("The answer is B.", B),
        ("The best option is (E) wave", E),
        ("The correct answer is: E", E),
        ("Option C", C),
        ("I think it is D.", D),
        ("I would choose D", D),
        ("(E) because he is a good friend", E),
        ("(B) because he does not fall", B),
        ("wave", E),
        ("Wave.", E),
        ("the   red dog", B),
        ("Red dog", C),
        ("dog", C),
        ("The answer is wave", E),
        ("Answer: A man is running", D),
        ("A man is running.", D),
        ("Here the red dog is seen.", B),
        ("They wave at the end", E),
        # nothing, or not one thing
        (None, None),
        ("", None),
        ("   ", None),
        ("?!", None),
        ("from 3.0s to 7.5s", None),
        ("A man walks.", None),
        ("(F)", None),
        ("F.", None),
        ("A or B", None),
        ("A, B", None),
        ("(A) and (B)", None),
        ("(A) (B)", None),
        ("Answer: A or B", None),
        ("It is not (B)", None),
        ("It isn't (B)", None),
        ("They do not wave", None),
        ("a dog and a wave", None),
        ("B. wave", None),
        ("(B) wave", None),
        ("Answer: B. wave", None),
        ("waves and dogs", None),
        ("The object(s) (unclear)", None),
    ],
)
def test_the_option_that_a_response_names(response, expected):
    assert read_choice(response, OPTIONS) == expected
    assert read_choice(response, OPTIONS, "paper") == expected


# fmt: off
SAID = [
    ("<answer>C</answer>", C),
    ('{"answer": "C"}', C),
    ('\\boxed{C}', C),
    ("Option C is right", C),
    ("答案是C", C),
    ("答案:C", C),
    ("答案：C。", C),
    ("选C", C),
    ("我选择C。", C),
    ("正确答案是（C）", C),
    ("<think>(B) is wrong</think><answer>C</answer>", C),
    ("<think>(B) is wrong</think>C", C),
    ("<think>It is (B)", None),
    ('(B) is right</think>\n\nC', C),
    ("(C)", C),
    ("**C**", C),
    ("C.", C),
    ("C) dog", C),
    ("The answer is (C) because (B) is wrong.", C),
    ("**Answer: C**", C),
    ("Final answer: C", C),
    ("(B) is wrong. Final answer: C", C),
    ("(A) no. (B) no. The answer is C.", C),
    ("<answer>(C) dog</answer>", C),
    ("<answer>dog</answer>", C),
    ('{"answer": "dog"}', C),
    ("{'answer': 'C', 'reason': '(B) is wrong'}", C),
    ('```json\n{"question": "why A?", "answer": "C"}\n```', C),
    ('{"answer": "C", "start": 3.0, "end": 7.0}', C),
    ('\\boxed{\\text{C}}', C),
    ('$\\boxed{C}$', C),
    ('The answer is \\boxed{C}.', C),
    ("The correct option is C", C),
    ("C is correct.", C),
    ("C is the correct answer", C),
    ("(C) is right", C),
    ("Option (C)", C),
    ("[C]", C),
    ("<C>", C),
    ('"C"', C),
    ("Answer: [C]", C),
    ("(B) is wrong", None),
    ("Option B is wrong", None),
    ("Option B is not right", None),
    ("B or C", None),
    ("Answer: B or C", None),
    ("<answer>B or C</answer>", None),
    ("答案是B或C", None),
    ("不是B", None),
    ("答案不是B", None),
    ('\\boxed{B, C}', None),
    ('{"answer": ["B", "C"]}', None),
    ("<answer></answer>", None),
    ("The answer should be C", C),
    ("Die Antwort: C", C),
    ("La respuesta es: C", None),
    ("正解はC", C),
    ("정답은 C", C),
    ("정답: C", C),
    ("C是正确的", C),
    ("选项C", C),
    ("The answer is C, because (B) is not there", C),
    ("It could be B", None),
    ("Not B", None),
    ("B is wrong, C is right", None),
    ('Answer: B\nThis answer is based on the video', B),
    ("a dog and a wave", None),
    ("<think>A</think>", None),
    ("My choice: C", C),
    ("choice: C", C),
    ("C: dog", C),
    ('<think>x</think>\n\nThe answer is **C. dog**.', C),
    ("<answer>Option C</answer>", C),
    ("<think>B? no</think> <answer> c </answer>", C),
    ("Therefore, the answer is C", C),
    ("ANSWER: C", C),
    ("Answer - C", None),
    ("The best answer is: **(C) dog**", C),
    ("A man is running", D),
    ("It is (B)? No, (C).", None),
    ("I'm not sure, but C", None),
    ('{"A": 0.1, "C": 0.9}', None),
    ('{"options": {"A": "to play", "C": "dog"}, "answer": "C"}', C),
    ("Reason: (B) is gone. Answer: C", C),
    ("因为B不对，所以选C", C),
    ("由于B错误，答案为C", C),
    ('The answer is (C), not (B).', C),
    ('C</s>', C),
    ('<|im_start|>C<|im_end|>', C),
    ('<|im_start|>assistant\nC<|im_end|>', C),
    ('Final answer: \\(C\\)', C),
    ('Final answer: $C$', C),
    ('Final answer: \\[C\\]', C),
    ('$\\text{C}$', C),
    ('我选择C，因为B不对', C),
    ('不是B，是C', C),
    ('答案不是B，而是C', C),
    ('选C，不选B', C),
    ("I'd go with C.", C),
    ("It's C.", C),
    ('It’s C.', C),
    ("I'll go with (C)", C),
    ('My guess is C', C),
    ('C, not B', C),
    ('Not B but C', C),
    ('It is not B, it is C', C),
    ('C rather than B', C),
    ('(C), instead of (B)', C),
    ('neither A nor B but C', C),
    ("It's not A or B. It's C.", C),
    ('{"explanation": "B is wrong", "output": "C"}', C),
    ('(C) is right, (B) is wrong', C),
    ('C是对的，B不对', C),
    ('应该选C而不是B', C),
    ("(C) because it's not a dog", C),
    ('C<eos>', C),
    ('<s>C</s>', C),
    ('C<|endoftext|>', C),
    ('C<|eot_id|>', C),
    ('I think C.', C),
    ('Output: C', C),
    ('C not B.', C),
    ("Answer: B. It is not B.", None),
    ("不是B the red dog", None),
]
# fmt: on


@pytest.mark.parametrize(("response", "expected"), SAID)
def test_the_option_that_released_models_name(response, expected):
    assert read_choice(response, OPTIONS) == expected


def test_options_with_letters_and_options_that_are_letters():
    lettered = ["(A) run", "(B) sit", "(C) lie"]
    assert read_choice("sit", lettered) == B
    assert read_choice("(B) sit", lettered) == B
    assert read_choice("(B) lie", lettered) is None
    assert read_choice("b", ["b", "x", "y"]) is None
    assert read_choice("x", ["b", "x", "y"]) == B
    assert read_choice("Answer: x", ["b", "x", "y"]) == B
    assert read_choice("(A)", ["b", "a", "y"]) == A


def test_different_options_of_one_plain_text_are_told_apart_by_letter_alone():
    assert read_choice("5", ["-5", "5"]) is None
    assert read_choice("(B) 5", ["-5", "5"]) == B
    assert read_choice("x", ["x", "y", "x"]) == A
    assert read_choice("The answer is the best option", ["x", "the best option"]) == B


def test_a_sixth_option_needs_to_exist():
    assert read_choice("F", [*OPTIONS, "sixth"]) == 5
    assert read_choice("C", ["yes", "no"]) is None
    assert read_choice("no", ["yes", "no"]) == B


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("(B)", B),
        ("d", D),
        ("(E)", None),
        ("(E) he gives a wave", A),
        ("It is a wave", A),
        ("Answer: C", C),
        ("(B) or (A)", B),
        ("wave", None),
        (None, None),
        ("", None),
    ],
)
def test_the_official_reader_takes_the_first_single_letter_up_to_d(response, expected):
    assert read_choice(response, OPTIONS, "official") == expected


def test_the_official_reader_names_no_absent_option():
    assert read_choice("(C)", ["yes", "no"], "official") is None


@pytest.mark.parametrize(
    "unit", ["is A ", "(", "A, ", " \n", "the answer ", "not ", "not A, ", "wave ", "A\n"]
)
@pytest.mark.parametrize("protocol", ["fixed", "official"])
def test_a_long_response_is_read_in_time(unit, protocol):
    began = time.perf_counter()
    read_choice(unit * 20_000 + "x", OPTIONS, protocol)
    assert time.perf_counter() - began < 2


# ---- scores


def question(id, answer="wave", options=tuple(OPTIONS)):
    return Moment(
        id, "nextgqa", "test", "v", 30.0, "q", ((0.0, 1.0),), None, None, None, options, answer
    )


def test_choices_are_right_by_their_text():
    asked = [question("a"), question("b"), question("c"), question("d", "x", ("x", "y", "x"))]
    answers = ["(E)", "(A)", "none", "(C)"]
    given = [Prediction(m.id, answer=said) for m, said in zip(asked, answers, strict=True)]
    choice, right = read_choices(asked, given)
    assert choice.tolist() == [E, A, -1, C]
    assert right.tolist() == [True, False, False, True]
    choice, right = read_choices(asked, given, "official")
    assert choice.tolist() == [-1, A, -1, C]
    assert right.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    "moment", [question("q", "no option"), question("q", None), question("q", options=())]
)
def test_a_moment_without_a_right_option_is_bad_input(moment):
    with pytest.raises(BadInput, match="q: the answer is none of the options; score"):
        read_choices([moment], [Prediction("q", answer="A")])


def test_the_scores_of_questions():
    right = np.array([True, True, False, True])
    iou = np.array([0.5, 0.3, 1.0, 0.0])
    iop = np.array([0.5, 0.4999, 1.0, 0.0])
    found = {name: score.mean() for name, score in question_scores(right, iou, iop).items()}
    assert found == pytest.approx(
        {
            "Acc@QA": 75,
            "Acc@GQA": 25,
            "IoU@0.3": 75,
            "IoU@0.5": 50,
            "mIoU": 45,
            "IoP@0.3": 75,
            "IoP@0.5": 50,
            "mIoP": 49.9975,
        }
    )
    assert list(question_scores(right)) == ["Acc@QA"]
    assert question_scores(right)["Acc@QA"].tolist() == [100, 100, 0, 100]


# ---- two passes


def passes(answered, grounded):
    """Both passes of questions a, b and c, with gaps where an id is not given."""
    asked = [question(id) for id in "abc"]
    answers = PredictionFile("answers", tuple(Prediction(i, answer="(E)") for i in answered))
    windows = PredictionFile(
        "windows", tuple(Prediction(i, ((0.0, 1.0),), answer="from 0s to 1s") for i in grounded)
    )
    return asked, *(match_predictions(file, asked, complete=True) for file in (answers, windows))


def test_two_passes_join_by_id():
    asked, *both = passes("cba", "acb")
    joined = join_passes(*both)
    assert [prediction.id for prediction in joined] == list("abc")
    assert joined[0].windows == ((0.0, 1.0),)
    assert read_choices(asked, joined)[1].tolist() == [True, True, True]


def test_a_gap_counts_as_wrong_under_fixed():
    asked, *both = passes("ab", "ac")
    joined = join_passes(*both)
    assert [prediction.failure for prediction in joined] == [None, "missing", None]
    assert [prediction.put for prediction in joined] == [True, False, False]
    assert read_choices(asked, joined)[1].tolist() == [True, True, False]
