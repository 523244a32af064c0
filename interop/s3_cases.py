"""Rows of a table of S3's operations: what is called, and what is answered."""

from dataclasses import dataclass

from s3_tools import outcome


class Given(str):
    """Stands in a row for what is known once the bucket is there: an attribute of the fixture."""


# Stands for a member that an answer must not have.
ABSENT = object()


@dataclass
class Case:
    method: str
    note: str
    # A refusal's status and code, or members of the answer: values, and questions that values are put to.
    expected: tuple | dict
    parameters: dict

    def name(self):
        return f"{self.method}: {self.note}"


def case(method, note, expected, **parameters):
    return Case(method, note, expected, parameters)


def resolved(value, given):
    if isinstance(value, Given):
        return getattr(given, value)
    if isinstance(value, dict):
        return {name: resolved(member, given) for name, member in value.items()}
    if isinstance(value, list):
        return [resolved(member, given) for member in value]
    return value


def assert_like(found, wanted, where=""):
    """Every member that is wanted is there, with its value; lists are as long as is wanted."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            if value is ABSENT:
                assert name not in found, f"{where}{name} is {found[name]!r}"
            else:
                assert name in found, f"{where}{name} is missing: {found}"
                assert_like(found[name], value, f"{where}{name}.")
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), f"{where} {found}"
        for one, other in zip(found, wanted):
            assert_like(one, other, where)
    elif callable(wanted):
        assert wanted(found), f"{where} {found!r}"
    else:
        assert found == wanted, f"{where} {found!r}, not {wanted!r}"


def check(s3, given, row):
    """Makes the call, and compares."""
    parameters = resolved({"Bucket": Given("bucket")} | row.parameters, given)
    parameters = {name: value for name, value in parameters.items() if value is not ABSENT}
    answer, refused = outcome(s3, row.method, **parameters)
    if isinstance(row.expected, tuple):
        assert refused == row.expected, answer
        return
    assert refused is None, refused
    if "Body" in answer:
        answer["Body"] = answer["Body"].read()
    assert_like(answer | {"Status": answer["ResponseMetadata"]["HTTPStatusCode"]}, resolved(row.expected, given))
