use clap::CommandFactory;

use super::*;

#[test]
fn the_flags_do_not_contradict_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn help_is_what_was_reviewed() {
    let mut text = String::new();
    let mut commands = vec![(String::from("lifeboat"), Cli::command().term_width(100))];
    while let Some((name, mut command)) = commands.pop() {
        text.push_str(&format!("# {name}\n{}\n", command.render_help()));
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let name = format!("{name} {}", sub.get_name());
            commands.push((name, sub.clone().term_width(100)));
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_restore_takes_no_target_from_the_environment() {
    let restore = Cli::command();
    let restore = restore.find_subcommand("restore").unwrap();
    for flag in [
        "bootstrap_servers",
        "target",
        "command_config",
        "topics",
        "exclude",
        "yes",
        "into_source",
    ] {
        let argument = restore
            .get_arguments()
            .find(|argument| argument.get_id() == flag)
            .unwrap();
        assert!(argument.get_env().is_none(), "{flag}");
    }
}

#[test]
fn no_help_shows_what_is_in_an_environment_variable() {
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        for argument in command
            .get_arguments()
            .filter(|argument| argument.get_env().is_some())
        {
            assert!(argument.is_hide_env_values_set(), "{}", argument.get_id());
        }
        commands.extend(command.get_subcommands().cloned());
    }
}

#[test]
fn a_copy_takes_no_target_from_the_environment() {
    let copy = Cli::command();
    let copy = copy.find_subcommand("copy").unwrap();
    for flag in ["to", "snapshots", "all_clusters", "new_cluster"] {
        let mut arguments = copy.get_arguments();
        let argument = arguments.find(|argument| argument.get_id() == flag);
        assert!(argument.unwrap().get_env().is_none(), "{flag}");
    }
}
