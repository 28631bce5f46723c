//! What users do, end to end: a file below tests/users/ for each thing.

mod support;

mod users {
    mod building;
    mod cancelling;
    mod catching_up;
    mod checking;
    mod controlling;
    mod crashing;
    mod delivering;
    mod engine_absent;
    mod engine_away;
    mod engine_containers;
    mod engine_content;
    mod engine_names_and_ports;
    mod engine_observing;
    mod engine_pulling;
    mod engine_readiness;
    mod engine_versions;
    mod explaining_webhooks;
    mod fetching;
    mod forge_trouble;
    mod ignore_files;
    mod images_that_move;
    mod large_repository;
    mod looking_at_pages;
    mod mounting;
    mod planning;
    mod pushing;
    mod pushing_to_plain_git;
    mod queueing;
    mod reaching;
    mod reading_back;
    mod receiving;
    mod rolling_back;
    mod running_apps;
    mod settings;
    mod statuses_as_notes;
    mod statuses_by_contract;
    mod statuses_on_gitea;
    mod statuses_on_github;
    mod statuses_on_gitlab;
    mod statuses_through_trouble;
    mod trouble;
    mod walls;
    mod working_copy;
}
