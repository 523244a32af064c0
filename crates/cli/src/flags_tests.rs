use clap::{CommandFactory as _, Parser as _};

use super::*;

fn read(line: &str) -> Result<Flags, clap::Error> {
    Flags::try_parse_from(std::iter::once("tenantry").chain(line.split_whitespace()))
}

#[test]
fn the_command_line_is_sound() {
    Flags::command().debug_assert();
}

#[test]
fn flags_for_all_commands_stand_before_or_behind_the_command() {
    for line in
        ["--json --state-file s.json tenants show acme", "tenants show acme --json --state-file s.json"]
    {
        let flags = read(line).unwrap();
        assert!(flags.json, "{line}");
        assert_eq!(flags.place.state_file, PathBuf::from("s.json"), "{line}");
    }
}

#[test]
fn every_command_is_read() {
    for line in [
        "tenants create --name Acme --email a@b.example --tier free --contact phone=1 --contact fax=2",
        "tenants create --name Acme --email a@b.example --tier free --isolation siloed --tenant-id acme",
        "tenants list --status suspended --tier free --limit 100 --cursor abc --all",
        "tenants show acme",
        "tenants update acme --tier standard --if-version 3",
        "tenants update acme --no-contact",
        "tenants suspend acme --reason unpaid",
        "tenants resume acme",
        "tenants delete acme",
        "tenants delete acme --grace 0 --yes",
        "tenants delete acme --grace 90d",
        "tenants move-to-silo acme",
        "tenants move-to-silo acme --abandon",
        "tenants move-to-silo acme --longest-pause 2h",
        "tenants import acme --from acme/000004/",
        "tenants import acme --from acme/000004/ --key k1=k2 --key k3=k4",
        "tenants import acme --from acme/000004/ --without-checkpoints",
        "tenants import acme --from s3://tenantry-exports-123456789012-us-east-1/acme/000004/",
        "tenants import acme --abandon",
        "keys create acme",
        "keys create acme --idempotency-key k-1",
        "usage grant acme --requests 500",
        "usage grant acme --requests 500 --api-key-id k1 --idempotency-key k-1",
        "keys list acme",
        "keys rotate acme k1 --overlap 7d",
        "keys revoke acme k1 --force --yes",
        "usage show acme",
        "usage show acme --days 92",
        "usage near-limit",
        "usage near-limit --at 80% --limit 100 --cursor abc",
        "usage near-limit --at 100 --all",
        "plans show",
        "plans show free",
        "plans diff --data-api-id a1b2c3",
        "plans check --usage-plans other.yaml --template t.yaml",
        "audit acme",
        "audit acme --api-url https://h/v1 --region eu-central-1",
        "audit acme --api-url https://h/v1 --profile work",
        "completions bash",
    ] {
        read(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn a_number_that_cannot_be_taken_is_told_what_it_must_be() {
    for (line, expected) in [
        ("usage grant acme --requests 1k", "must be a whole number from 1 to 1000000000"),
        ("usage grant acme --requests -5", "must be a whole number from 1 to 1000000000"),
        ("usage grant acme --requests 1000000001", "must be a whole number from 1 to 1000000000"),
        ("keys rotate acme k1 --overlap -1d", "must be like 90s, 15m, 12h or 7d"),
    ] {
        let said = read(line).expect_err(line).to_string();
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn every_command_has_an_example_that_is_read() {
    let (mut open, mut examples) = (vec![Flags::command()], 0);
    while let Some(command) = open.pop() {
        open.extend(command.get_subcommands().cloned());
        if command.has_subcommands() {
            continue;
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let example = help.strip_prefix("Example: tenantry ").unwrap_or_else(|| panic!("{command}: {help}"));
        let words = example.split(" > ").next().unwrap();
        assert!(words.contains(command.get_name()), "{help}");
        read(words).unwrap_or_else(|error| panic!("{help}: {error}"));
        examples += 1;
    }
    assert!(examples > 15, "{examples}");
}

#[test]
fn what_is_no_command_ends_with_the_code_for_usage() {
    for line in [
        "",
        "tenants",
        "tenants show",
        "tenants show Acme",
        "tenants show acme/keys",
        "tenants create --name Acme --tier free",
        "tenants create --name A --email e --tier free --contact phone",
        "tenants create --name A --email e --tier free --isolation own",
        "tenants list --limit 0",
        "tenants list --limit 101",
        "tenants list --status gone",
        "tenants update acme",
        "tenants delete",
        "tenants delete acme --grace 91d",
        "tenants import acme",
        "tenants import acme --from s3://others-exports/acme/000004/",
        "tenants import acme --from acme/000004/ --abandon",
        "tenants import acme --from acme/000004/ --key k1",
        "tenants import acme --from acme/000004/ --key k1=k2 --without-checkpoints",
        "tenants delete acme --grace 30",
        "tenants move-to-silo",
        "tenants move-to-silo acme --longest-pause 25h",
        "tenants move-to-silo acme --longest-pause 10m --abandon",
        "tenants update acme --if-version 3",
        "tenants update acme --no-contact --contact phone=1",
        "keys create acme --idempotency-key=",
        "usage grant acme",
        "usage grant acme --requests 0",
        "keys rotate acme",
        "keys rotate acme k1 --overlap 31d",
        "keys revoke acme k/1",
        "tenants list --profile=",
        "completions tcsh",
        "usage show",
        "usage show acme --days 0",
        "usage show acme --days 93",
        "usage near-limit --at 0",
        "usage near-limit --at 101%",
        "usage near-limit --at 80%%",
        "usage near-limit --limit 101",
    ] {
        assert_eq!(read(line).expect_err(line).exit_code(), 2, "{line}");
    }
}

#[test]
fn an_export_is_named_as_it_is_shown_or_by_its_prefix() {
    for from in ["acme/000004/", "s3://tenantry-exports-123456789012-us-east-1/acme/000004/"] {
        assert_eq!(export(from).as_deref(), Ok("acme/000004/"), "{from}");
    }
    for wrong in ["s3://tenantry-exports-123456789012-us-east-1", "s3://other/acme/000004/"] {
        assert!(export(wrong).is_err(), "{wrong}");
    }
}
