"""What is left of the items of others when a tenant's credentials are turned on them, in every order and every
place of a call; and who opens what with a token that is not good."""

import json

import pytest
from botocore.exceptions import ClientError

from conftest import started
from test_isolation import (
    DENIED,
    TENANT,
    altered,
    assert_denied,
    boto3_call,
    cli_call,
    each_tag_set,
    table_of,
    vended,
)

PROBLEM = "application/problem+json"
# Sort keys of items that are there: globex's, which `make run` seeds, and one that the tests put beside them.
VICTIM = {"records": "plans#launch", "checkpoints": "launch"}
OWN = "vended#kept"
SECRET_WORDS = "Ours alone"


@pytest.fixture(scope="module")
def write(stack):
    # Whatever was asked before, every bucket is full again.
    assert stack.send("POST", stack.local("clock"), body='{"advance": "1m"}').status == 200
    return vended(stack, TENANT, "write")


@pytest.fixture(scope="module")
def kept(stack):
    """An own item in each table, so that the own half of a mixed call has something to lose."""
    dynamodb = stack.client("dynamodb")
    for name in VICTIM:
        item = key_of(stack, name, TENANT) | {"version": {"N": "1"}}
        dynamodb.put_item(TableName=table_of(stack, name)[0], Item=item)


@pytest.fixture(params=[boto3_call, cli_call], ids=["boto3", "cli"])
def call(request):
    return request.param


def key_of(stack, name, tenant_id):
    """The key of the item of a tenant that the tests are about."""
    _, (partition, sort), partition_of = table_of(stack, name)
    value = partition_of(stack.tenant(tenant_id))
    return {partition: {"S": value}, sort: {"S": OWN if tenant_id == TENANT else VICTIM[name]}}


# ---- Items that are there ----------------------------------------------------------------------------------------


def alone(table, key, partition):
    """Calls on one item: operation, parameters and the action that is judged."""
    none = {"ConditionExpression": "attribute_not_exists(#p)", "ExpressionAttributeNames": {"#p": partition}}
    told = none | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    update = {
        "UpdateExpression": "SET #v = :v",
        "ExpressionAttributeNames": {"#v": "version"},
        "ExpressionAttributeValues": {":v": {"N": "99"}},
    }
    one = {"TableName": table, "Key": key}
    query = {
        "TableName": table,
        "KeyConditionExpression": f"{partition} = :p",
        "ExpressionAttributeValues": {":p": key[partition]},
    }
    return [
        ("PutItem", {"TableName": table, "Item": key, "ReturnValues": "ALL_OLD"}, "PutItem"),
        ("PutItem", {"TableName": table, "Item": key} | told, "PutItem"),
        ("UpdateItem", one | update | {"ReturnValues": "ALL_OLD"}, "UpdateItem"),
        ("DeleteItem", one | {"ReturnValues": "ALL_OLD"}, "DeleteItem"),
        ("DeleteItem", one | told, "DeleteItem"),
        ("GetItem", one | {"ProjectionExpression": "version", "ConsistentRead": True}, "GetItem"),
        ("Query", query | {"Select": "COUNT"}, "Query"),
        ("Query", query | {"ScanIndexForward": False, "Limit": 1, "ProjectionExpression": "version"}, "Query"),
        ("TransactWriteItems", {"TransactItems": [{"ConditionCheck": one | told}]}, "ConditionCheckItem"),
    ]


def together(first, last):
    """Calls on two items, which are a table and a key each: operation, parameters and the action that is judged."""

    def batch(of_item):
        """Both items' requests by their tables, which may be the same one."""
        requests = {}
        for table, key in (first, last):
            requests.setdefault(table, []).append(of_item(key))
        return requests

    def parts(*wraps):
        return {"TransactItems": [wrap(table, key) for wrap, (table, key) in zip(wraps, (first, last))]}

    def put(table, key):
        return {"Put": {"TableName": table, "Item": key}}

    def delete(table, key):
        return {"Delete": {"TableName": table, "Key": key}}

    def get(table, key):
        return {"Get": {"TableName": table, "Key": key}}

    reads = {table: {"Keys": keys} for table, keys in batch(lambda key: key).items()}
    return [
        ("BatchWriteItem", {"RequestItems": batch(lambda key: {"PutRequest": {"Item": key}})}, "BatchWriteItem"),
        ("BatchWriteItem", {"RequestItems": batch(lambda key: {"DeleteRequest": {"Key": key}})}, "BatchWriteItem"),
        ("BatchGetItem", {"RequestItems": reads}, "BatchGetItem"),
        ("TransactGetItems", parts(get, get), "GetItem"),
        ("TransactWriteItems", parts(put, put), "PutItem"),
        ("TransactWriteItems", parts(delete, delete), "DeleteItem"),
    ]


def arn(stack, table):
    return f"arn:aws:dynamodb:{stack.state['region']}:{stack.state['account_id']}:table/{table}"


def assert_all_denied(stack, credentials, call, calls, table):
    """Each is refused with the principal, the action and the table in its message, and nothing has changed."""
    session = f"assumed-role/tenantry-tenant-access/{TENANT}.{stack.tenant(TENANT)['api_key_id']}"
    before = stack.contents()
    assert [item for item in before if SECRET_WORDS in item[1]], "there is nothing to protect"
    for operation, parameters, action in calls:
        answer = call(stack, credentials, "dynamodb", operation, parameters)
        assert_denied(answer, (operation, parameters))
        message = answer[2]
        assert f"{session} is not authorized to perform: dynamodb:{action} on resource: {arn(stack, table)} " in message
        assert SECRET_WORDS not in message
    assert stack.contents() == before


@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_an_item_of_another_one_is_neither_changed_nor_told_of(stack, write, kept, call, name):
    table, (partition, _), _ = table_of(stack, name)
    assert_all_denied(stack, write, call, alone(table, key_of(stack, name, "globex"), partition), table)


@pytest.mark.parametrize("order", ["own-first", "foreign-first"])
@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_a_mixed_call_does_not_do_its_own_half_either(stack, write, kept, call, name, order):
    table, _, _ = table_of(stack, name)
    items = [(table, key_of(stack, name, TENANT)), (table, key_of(stack, name, "globex"))]
    calls = together(*(items if order == "own-first" else items[::-1]))
    assert_all_denied(stack, write, call, calls, table)


@pytest.mark.parametrize(("own", "foreign"), [("records", "checkpoints"), ("checkpoints", "records")])
def test_a_call_on_two_tables_needs_both(stack, write, kept, call, own, foreign):
    (own_table, *_), (foreign_table, *_) = table_of(stack, own), table_of(stack, foreign)
    mine = (own_table, key_of(stack, own, TENANT))
    calls = together(mine, (foreign_table, key_of(stack, foreign, "globex")))
    assert_all_denied(stack, write, call, calls, foreign_table)


def test_both_tables_in_one_call_are_open_to_their_owner(stack, write, kept, call):
    items = [(table_of(stack, name)[0], key_of(stack, name, TENANT)) for name in VICTIM]
    for operation, parameters, _ in together(*items):
        _, code, message = call(stack, write, "dynamodb", operation, parameters)
        assert code is None, (operation, message)
    # What the tests after this one look at is there again.
    for table, key in items:
        stack.client("dynamodb").put_item(TableName=table, Item=key | {"version": {"N": "1"}})


@pytest.mark.parametrize("name", ["records", "checkpoints"])
def test_a_partition_that_is_nearly_the_own_one_is_another_ones(stack, write, kept, name):
    """Its beginning, its continuation, its other case; and the partition that is the own one in the other table."""
    table, (partition, sort), partition_of = table_of(stack, name)
    own = partition_of(stack.tenant(TENANT))
    crossed = stack.tenant(TENANT)["api_key_id" if name == "records" else "tenant_id"]
    mine = (table, key_of(stack, name, TENANT))
    for value in [own + "2", own[:-1], own.upper(), own + " ", own + "*", own + "#", "*", crossed]:
        key = {partition: {"S": value}, sort: {"S": OWN}}
        assert_all_denied(stack, write, boto3_call, alone(table, key, partition) + together(mine, (table, key)), table)


def test_an_index_of_the_table_is_out_of_reach(stack, write):
    parameters = {"TableName": stack.table("records"), "IndexName": "by-date",
                  "KeyConditionExpression": "tenant_id = :p", "ExpressionAttributeValues": {":p": {"S": TENANT}}}
    assert_denied(boto3_call(stack, write, "dynamodb", "Query", parameters), "Query")


# ---- STS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session_mode(tmp_path_factory):
    """A stack in which the functions' own tenant role is there too."""
    folder = tmp_path_factory.mktemp("session")
    with started(folder, "--param", "IsolationMode=session") as own:
        yield own, vended(own, TENANT, "write")


@each_tag_set
@pytest.mark.parametrize("role", ["tenantry-tenant-access", "tenantry-tenant-function", "nobody-made-this"])
def test_in_session_mode_a_tenant_assumes_no_role_at_all(session_mode, call, role, given, code):
    own, credentials = session_mode
    role_arn = f"arn:aws:iam::{own.state['account_id']}:role/{role}"
    parameters = {"RoleArn": role_arn, "RoleSessionName": "acme.k1", "Tags": given}
    _, refused, message = call(own, credentials, "sts", "AssumeRole", parameters)
    assert refused == code, message
    if code == "AccessDenied":
        assert f"is not authorized to perform: sts:AssumeRole on resource: {role_arn} " in message


def test_in_session_mode_a_tenant_reaches_its_own_and_not_anothers(session_mode, call):
    own, credentials = session_mode
    table, globex = own.table("records"), own.tenant("globex")
    assert own.api("GET", "/records/plans/launch", globex["api_key"]).json()["data"] == {"title": SECRET_WORDS}
    mine = {"tenant_id": {"S": TENANT}, "sk": {"S": "notes#first"}}
    answer, _, _ = call(own, credentials, "dynamodb", "GetItem", {"TableName": table, "Key": mine})
    assert answer["Item"]["sk"] == mine["sk"]
    theirs = {"TableName": table, "Key": key_of(own, "records", "globex")}
    assert_denied(call(own, credentials, "dynamodb", "GetItem", theirs), "GetItem")


@pytest.mark.parametrize(
    ("operation", "parameters"), [("GetSessionToken", {}), ("GetFederationToken", {"Name": "globex"})]
)
def test_a_tenant_gets_no_credentials_from_sts(stack, write, call, operation, parameters):
    _, code, message = call(stack, write, "sts", operation, parameters)
    assert code == "AccessDenied", message


# ---- Statuses ----------------------------------------------------------------------------------------------------


def refusal(stack, credentials, service, method, **parameters):
    """The status and the code of a refusal, as boto3 reads them."""
    with pytest.raises(ClientError) as refused:
        getattr(stack.client(service, credentials), method)(**parameters)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_each_service_refuses_with_its_own_status(stack, write):
    role = {"RoleArn": stack.state["tenant_role_arn"], "RoleSessionName": "acme.k1"}
    assert refusal(stack, write, "dynamodb", "scan", TableName=stack.table("records")) == (400, DENIED)
    assert refusal(stack, write, "apigateway", "get_api_keys") == (403, DENIED)
    assert refusal(stack, write, "lambda", "invoke", FunctionName="tenant-get") == (403, DENIED)
    assert refusal(stack, write, "sts", "assume_role", **role) == (403, "AccessDenied")


# ---- Tokens and signatures ---------------------------------------------------------------------------------------


def assert_opens_nothing(stack, credentials, json_code, query_code):
    """Every service refuses the credentials, the control API too."""
    # What the owner may do: only the credentials are at fault.
    item = {"TableName": stack.table("records"), "Item": key_of(stack, "records", TENANT) | {"data": {"M": {}}}}
    before = stack.contents()
    assert refusal(stack, credentials, "dynamodb", "put_item", **item) == (400, json_code)
    assert refusal(stack, credentials, "apigateway", "get_api_keys") == (403, json_code)
    assert refusal(stack, credentials, "lambda", "invoke", FunctionName="tenant-get") == (403, json_code)
    assert refusal(stack, credentials, "sts", "get_caller_identity") == (403, query_code)
    answer = stack.control("GET", "/tenants/globex", credentials=credentials)
    assert (answer.status, answer.header("content-type")) == (403, PROBLEM), answer
    assert stack.contents() == before


def test_a_token_that_is_not_the_sessions_own_opens_no_service(stack, write):
    key, secret, token = write
    other = vended(stack, "globex", "write")
    presented = [(), (other[2],), (token[:-4],), (token + "AAAA",), (token.swapcase(),)]
    presented += [(altered(token, len(token) * part // 8),) for part in range(8)]
    for tokens in presented:
        assert_opens_nothing(stack, (key, secret, *tokens), "UnrecognizedClientException", "InvalidClientTokenId")


def test_a_secret_that_is_not_the_sessions_own_opens_no_service(stack, write):
    key, secret, token = write
    for wrong in [altered(secret, 0), altered(secret, len(secret) - 1), secret[:-1], stack.credentials[1]]:
        assert_opens_nothing(stack, (key, wrong, token), "InvalidSignatureException", "SignatureDoesNotMatch")


def test_credentials_that_have_ended_open_no_service_and_new_ones_do(tmp_path):
    with started(tmp_path) as own:
        ended = vended(own, TENANT, "write")
        assert own.send("POST", own.local("clock"), body='{"advance": "16m"}').status == 200
        assert_opens_nothing(own, ended, "ExpiredTokenException", "ExpiredToken")
        parameters = {"TableName": own.table("records"), "Key": key_of(own, "records", TENANT)}
        assert boto3_call(own, vended(own, TENANT, "read"), "dynamodb", "GetItem", parameters)[1] is None


# ---- What the developer is told ----------------------------------------------------------------------------------


def test_the_newest_decision_names_who_was_refused_what(stack, write):
    table, key = stack.table("records"), key_of(stack, "records", "globex")
    assert_denied(boto3_call(stack, write, "dynamodb", "GetItem", {"TableName": table, "Key": key}), "GetItem")
    answer = stack.send("GET", stack.local("iam/log"))
    newest = answer.json()["decisions"][0]
    assert set(newest) == {"at", "principal", "action", "resource", "decision", "by"}
    session = f":assumed-role/tenantry-tenant-access/{TENANT}.{stack.tenant(TENANT)['api_key_id']}"
    assert newest["principal"].endswith(session)
    assert (newest["action"], newest["resource"]) == ("dynamodb:GetItem", arn(stack, table))
    assert newest["decision"] == "Deny"
    assert newest["by"].startswith("no identity-based policy allows the action (nearest: statement PooledRecords ")
    assert "ForAllValues:StringEquals dynamodb:LeadingKeys does not hold" in newest["by"]
    text = answer.body.decode()
    assert not [secret for secret in (write[1], write[2], SECRET_WORDS) if secret in text]


ASKED = {
    "policies": [{
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "Own",
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": "arn:aws:dynamodb:eu-central-1:123456789012:table/t",
            "Condition": {
                "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenant-id}"]},
                "Null": {"dynamodb:LeadingKeys": "false", "aws:PrincipalTag/tenant-id": "false"},
            },
        }],
    }],
    "action": "dynamodb:PutItem",
    "resource": "arn:aws:dynamodb:eu-central-1:123456789012:table/t",
    "context": {"aws:PrincipalTag/tenant-id": TENANT, "dynamodb:LeadingKeys": [TENANT]},
}
READ_ONLY = {"Version": "2012-10-17",
             "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("change", "decision", "by"),
    [
        ({}, "Allow", "statement Own of the identity-based policy policies[0]"),
        ({"context": ASKED["context"] | {"dynamodb:LeadingKeys": [TENANT, "globex"]}}, "Deny", "identity-based"),
        ({"context": ASKED["context"] | {"dynamodb:LeadingKeys": ["acme2"]}}, "Deny", "identity-based"),
        ({"context": {"aws:PrincipalTag/tenant-id": TENANT}}, "Deny", "identity-based"),
        ({"context": {"dynamodb:LeadingKeys": [TENANT]}}, "Deny", "identity-based"),
        ({"action": "dynamodb:Scan"}, "Deny", "identity-based"),
        ({"resource": ASKED["resource"] + "2"}, "Deny", "identity-based"),
        ({"session_policies": [READ_ONLY]}, "Deny", "no session policy allows the action"),
    ],
    ids=["own", "mixed", "longer", "no-key", "no-tag", "action", "table", "narrowed"],
)
def test_a_policy_is_tried_out_without_a_request(stack, change, decision, by):
    answer = stack.send("POST", stack.local("iam/evaluate"), body=json.dumps(ASKED | change))
    assert answer.status == 200, answer
    assert answer.json()["decision"] == decision
    assert by in answer.json()["by"], answer.json()
