"""boto3 and botocore as clients: DynamoDB, API Gateway's management calls, Lambda, and the signed control API."""

import json

import pytest
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from conftest import ROOT

PROBLEM = "application/problem+json"


def code_of(call, *arguments, **parameters):
    """The error code that a boto3 call is refused with."""
    with pytest.raises(ClientError) as refused:
        call(*arguments, **parameters)
    return refused.value.response["Error"]["Code"]


# ---- DynamoDB ----------------------------------------------------------------------------------------------------


def test_the_tables_of_the_state_file_are_there_with_their_keys(stack):
    dynamodb = stack.client("dynamodb")
    names = {name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]}
    assert names >= set(stack.state["tables"].values())
    table = dynamodb.describe_table(TableName=stack.table("records"))["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert {key["KeyType"]: key["AttributeName"] for key in table["KeySchema"]} == {"HASH": "tenant_id", "RANGE": "sk"}


def test_a_record_of_the_api_is_an_item_of_the_tenants_partition(stack, globex):
    created = stack.api("PUT", "/records/boto/one", globex["api_key"], {"title": "One", "n": [1, {"deep": None}]})
    assert created.status == 201
    key = {"tenant_id": {"S": "globex"}, "sk": {"S": "boto#one"}}
    item = stack.client("dynamodb").get_item(TableName=stack.table("records"), Key=key)["Item"]
    assert item["version"] == {"N": "1"}
    assert item["data"] == {"M": {"title": {"S": "One"}, "n": {"L": [{"N": "1"}, {"M": {"deep": {"NULL": True}}}]}}}


def test_an_item_of_a_tenants_own_making_counts_as_version_0(stack, globex):
    item = {"tenant_id": {"S": "globex"}, "sk": {"S": "own#mine"}, "data": {"M": {"n": {"N": "7"}}}}
    stack.client("dynamodb").put_item(TableName=stack.table("records"), Item=item)
    read = stack.api("GET", "/records/own/mine", globex["api_key"])
    assert (read.status, read.header("etag")) == (200, '"0"')
    assert (read.json()["version"], read.json()["data"]) == (0, {"n": 7})


def test_an_item_that_is_no_record_is_404_and_in_no_list(stack, globex):
    dynamodb, table = stack.client("dynamodb"), stack.table("records")
    for sort_key, data in [("odd#text", {"S": "no object"}), ("odd#a set", {"M": {"s": {"SS": ["x"]}}})]:
        dynamodb.put_item(TableName=table, Item={"tenant_id": {"S": "globex"}, "sk": {"S": sort_key}, "data": data})
    assert stack.api("GET", "/records/odd/text", globex["api_key"]).status == 404
    page = stack.api("GET", "/records/odd", globex["api_key"])
    assert (page.status, page.json()) == (200, {"items": [], "next_cursor": None})


def test_a_query_sees_one_tenants_collection_in_order(stack, globex):
    for name in ["c", "a", "b"]:
        assert stack.api("PUT", f"/records/ordered/{name}", globex["api_key"], {}).status == 201
    answer = stack.client("dynamodb").query(
        TableName=stack.table("records"),
        KeyConditionExpression="tenant_id = :t AND begins_with(sk, :c)",
        ExpressionAttributeValues={":t": {"S": "globex"}, ":c": {"S": "ordered#"}},
        ReturnConsumedCapacity="TOTAL",
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == ["ordered#a", "ordered#b", "ordered#c"]
    assert answer["ConsumedCapacity"]["TableName"] == stack.table("records")


def test_a_transaction_is_done_whole_or_not_at_all(stack, globex):
    dynamodb, table = stack.client("dynamodb"), stack.table("records")

    def put(name, **condition):
        item = {"tenant_id": {"S": "globex"}, "sk": {"S": f"together#{name}"}, "data": {"M": {}}}
        return {"Put": {"TableName": table, "Item": item, **condition}}

    dynamodb.transact_write_items(TransactItems=[put("a"), put("b")])
    with pytest.raises(ClientError) as refused:
        conditional = put("a", ConditionExpression="attribute_not_exists(sk)")
        dynamodb.transact_write_items(TransactItems=[put("c"), conditional])
    assert refused.value.response["Error"]["Code"] == "TransactionCanceledException"
    reasons = [reason["Code"] for reason in refused.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    page = stack.api("GET", "/records/together", globex["api_key"]).json()
    assert [record["id"] for record in page["items"]] == ["a", "b"]


# ---- API Gateway's management calls ------------------------------------------------------------------------------


def test_keys_are_listed_in_pages_and_without_values_unless_asked(stack, globex):
    paginator = stack.client("apigateway").get_paginator("get_api_keys")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 1}))
    keys = [key for page in pages for key in page["items"]]
    assert all(len(page["items"]) <= 1 for page in pages)
    assert {tenant["api_key_id"] for tenant in stack.state["tenants"]} <= {key["id"] for key in keys}
    assert not [key for key in keys if "value" in key]
    [page] = paginator.paginate(nameQuery="tenantry-globex-1", includeValues=True)
    assert [(key["id"], key["value"]) for key in page["items"]] == [(globex["api_key_id"], globex["api_key"])]


def test_the_plans_are_those_of_the_file(stack):
    file = yaml_parse((ROOT / "infra" / "usage-plans.yaml").read_text())["Resources"].values()
    wanted = {plan["Properties"]["UsagePlanName"]: plan["Properties"] for plan in file}
    given = {plan["name"]: plan for plan in stack.client("apigateway").get_usage_plans()["items"]}
    assert set(given) == set(wanted)
    for name, plan in wanted.items():
        throttle = {"rateLimit": plan["Throttle"]["RateLimit"], "burstLimit": plan["Throttle"]["BurstLimit"]}
        assert given[name]["throttle"] == throttle, name
        quota = plan.get("Quota") and {"limit": plan["Quota"]["Limit"], "period": plan["Quota"]["Period"], "offset": 0}
        assert given[name].get("quota") == quota, name
        [stage] = given[name]["apiStages"]
        rows = plan["ApiStages"][0]["Throttle"].items()
        limits = {row: {"rateLimit": limit["RateLimit"], "burstLimit": limit["BurstLimit"]} for row, limit in rows}
        assert stage["throttle"] == limits, name


def test_a_key_lives_from_its_creation_to_its_deletion(stack):
    gateway = stack.client("apigateway")
    value = "interop" * 5
    key = gateway.create_api_key(name="interop-life", value=value, enabled=True)
    assert key["value"] == value and key["id"] != value
    plans = {plan["name"]: plan["id"] for plan in gateway.get_usage_plans()["items"]}

    def asked():
        answer = stack.api("GET", "/tenant", value)
        assert (answer.status, answer.header("content-type")) == (403, PROBLEM)
        return answer.header("x-amzn-errortype")

    # A key in no plan is the gateway's to refuse; a key of no tenant is the function's.
    assert asked() == "ForbiddenException"
    gateway.create_usage_plan_key(usagePlanId=plans["tenantry-free"], keyId=key["id"], keyType="API_KEY")
    assert asked() is None
    again = {"usagePlanId": plans["tenantry-standard"], "keyId": key["id"], "keyType": "API_KEY"}
    assert code_of(gateway.create_usage_plan_key, **again) == "ConflictException"
    assert code_of(gateway.create_api_key, name="interop-other", value=value, enabled=True) == "ConflictException"

    def enable(word):
        change = {"op": "replace", "path": "/enabled", "value": word}
        return gateway.update_api_key(apiKey=key["id"], patchOperations=[change])["enabled"]

    assert enable("false") is False and asked() == "ForbiddenException"
    assert enable("true") is True and asked() is None
    gateway.delete_api_key(apiKey=key["id"])
    assert asked() == "ForbiddenException"
    assert code_of(gateway.get_api_key, apiKey=key["id"]) == "NotFoundException"


# ---- Lambda ------------------------------------------------------------------------------------------------------


def test_a_function_is_invoked_by_hand_with_an_event_of_the_project(stack, globex):
    event = (ROOT / "events" / "records-get" / "ok.json").read_bytes()
    assert json.loads(event)["requestContext"]["identity"]["apiKeyId"] == globex["api_key_id"]
    answer = stack.client("lambda").invoke(FunctionName="records-get", Payload=event)
    reply = json.loads(answer["Payload"].read())
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer
    assert (reply["statusCode"], json.loads(reply["body"])["id"]) == (200, "first")


def test_an_unknown_function_is_not_found(stack):
    invoke = stack.client("lambda").invoke
    assert code_of(invoke, FunctionName="records-scan", Payload=b"{}") == "ResourceNotFoundException"


# ---- Signatures --------------------------------------------------------------------------------------------------


def test_a_wrong_secret_or_an_unknown_key_opens_no_service_and_writes_nothing(stack):
    access_key_id, secret_access_key = stack.credentials
    item = {"tenant_id": {"S": "globex"}, "sk": {"S": "forged#one"}, "data": {"M": {}}}
    event = (ROOT / "events" / "records-put" / "ok.json").read_bytes()
    tenant = {"tenant_id": "forger", "name": "x", "email": "x@x.example", "tier": "free"}
    before = stack.contents()
    for credentials, code in [
        ((access_key_id, "wrong" + secret_access_key[5:]), "InvalidSignatureException"),
        (("AKIAIOSFODNN7EXAMPLE", secret_access_key), "UnrecognizedClientException"),
    ]:
        dynamodb, gateway = stack.client("dynamodb", credentials), stack.client("apigateway", credentials)
        assert code_of(dynamodb.put_item, TableName=stack.table("records"), Item=item) == code
        assert code_of(gateway.create_api_key, name="forged", enabled=True) == code
        invoke = stack.client("lambda", credentials).invoke
        assert code_of(invoke, FunctionName="records-put", Payload=event) == code
        assert stack.control("POST", "/tenants", tenant, credentials).status == 403
    assert stack.contents() == before


def test_the_control_api_takes_a_signature_and_neither_a_key_nor_nothing(stack, globex):
    good = stack.control("GET", "/tenants/acme")
    assert good.status == 200 and good.json()["tenant"]["tenant_id"] == "acme"
    assert stack.tenant("acme")["api_key"] not in good.body.decode()
    url = stack.state["admin_url"] + "/tenants/acme"
    for headers in [{}, {"x-api-key": globex["api_key"]}, {"Authorization": "Bearer " + globex["api_key"]}]:
        refused = stack.send("GET", url, headers)
        assert (refused.status, refused.header("content-type")) == (403, PROBLEM), headers


def test_an_onboarded_tenant_calls_with_its_key_at_once(stack):
    answer = stack.onboard("interop1", contact={"phone": "+1 555 0100"})
    assert answer.status == 201, answer.body
    onboarded = answer.json()
    assert (onboarded["tenant"]["status"], onboarded["tenant"]["contact"]) == ("active", {"phone": "+1 555 0100"})
    key = onboarded["api_key"]
    own = stack.api("GET", "/tenant", key["value"])
    assert (own.status, own.json()["tenant_id"], own.json()["api_key_id"]) == (200, "interop1", key["api_key_id"])
    assert stack.api("GET", "/records/notes", key["value"]).json() == {"items": [], "next_cursor": None}
    shown = stack.control("GET", "/tenants/interop1")
    assert [(k["api_key_id"], k["status"]) for k in shown.json()["keys"]] == [(key["api_key_id"], "active")]
    assert key["value"] not in shown.body.decode()
    assert stack.onboard("interop1", contact={"phone": "+1 555 0100"}).status == 409


def test_onboarding_that_cannot_be_is_refused_with_pointers_and_writes_nothing(stack):
    before = stack.contents()
    answer = stack.onboard("interop2", tier="gold", email="nobody", name=" ")
    assert (answer.status, answer.header("content-type")) == (422, PROBLEM)
    assert {error["pointer"] for error in answer.json()["errors"]} >= {"/email", "/name"}
    assert stack.onboard("interop2", tier="gold").json()["errors"][0]["pointer"] == "/tier"
    assert stack.contents() == before
