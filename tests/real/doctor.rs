//! What doctor says of a power cut, and what a real CRI-O does after one.

mod damage;
mod fix;
mod found;
pub(crate) mod node;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::tree::stamps;
use node::Node;

const ROOT: &str = "/var/lib/containers/storage";
const STORE: &str = "/usr/lib/containers/app";
const INSIDE: &str = "/var/lib/containers/storage/inside";

/// Each image by its storage and name, with the answer and the setting that decides.
type Forecasts = BTreeMap<(String, String), (String, String)>;

fn json(printed: &str) -> Value {
    serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

fn forecasts(page: &Value) -> Forecasts {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let images = page["images"].as_array().unwrap();
    images
        .iter()
        .map(|image| {
            let key = (text(&image["storage"]), text(&image["names"][0]));
            (key, (text(&image["answer"]), text(&image["setting"]["name"])))
        })
        .collect()
}

/// What doctor says on a host while its CRI-O runs.
fn ask(node: &Node) -> Value {
    json(&node.boot("start; storagectl doctor --format json || [ $? = 1 ]"))
}

/// Boots the host after a power cut, as systemd would.
fn boot_again(node: &Node) {
    let wipe = node.at("/etc/systemd/system/multi-user.target.wants/crio-wipe.service");
    let wipe = if wipe.is_symlink() { "crio wipe >&2 || :" } else { ":" };
    node.boot(&format!("mkdir -p /run/crio; {wipe}; start"));
}

/// Asks doctor while CRI-O runs, cuts the power, boots, and compares what is left with
/// the forecast. `expected` is what doctor has to say: storage, image, answer, setting.
#[track_caller]
fn as_forecast(node: &Node, expected: &[(&str, &str, &str, &str)]) {
    let forecasts = forecasts(&ask(node));
    let told: Vec<_> = forecasts
        .iter()
        .map(|((storage, image), (answer, setting))| {
            (storage.as_str(), image.trim_start_matches("localhost/"), answer.as_str(), setting.as_str())
        })
        .collect();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    boot_again(node);
    left(node, &forecasts);
}

/// Compares the images that are left with the forecast.
#[track_caller]
fn left(node: &Node, forecasts: &Forecasts) {
    let mut storages: Vec<&str> = forecasts.keys().map(|(storage, _)| storage.as_str()).collect();
    storages.dedup();
    let mut wrong = Vec::new();
    for (storage, images) in storages.iter().zip(node.images_in_each(&storages)) {
        for ((_, image), (answer, _)) in forecasts.iter().filter(|((of, _), _)| of == storage) {
            let is_left = images.contains(image);
            // What is at risk may be there or not.
            if answer != "at-risk" && is_left != (answer == "survives") {
                wrong.push(format!("{image} in {storage}: {answer}, but left: {images:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_power_cut_leaves_the_images_that_were_forecast() {
    let node = Node::new("").with_wipe_unit();
    node.copy("other", INSIDE);
    node.lists(&format!("'{STORE}', '{INSIDE}'"), "");
    as_forecast(
        &node,
        &[
            (ROOT, "main:1", "wiped", "clean_shutdown_file"),
            (ROOT, "child:1", "wiped", "clean_shutdown_file"),
            (STORE, "extra:1", "survives", ""),
            (INSIDE, "other:1", "wiped", "clean_shutdown_file"),
        ],
    );
}

#[test]
fn internal_wipe_does_not_decide_about_images() {
    let node = Node::new("internal_wipe = false").with_wipe_unit();
    as_forecast(
        &node,
        &[
            (ROOT, "main:1", "wiped", "clean_shutdown_file"),
            (ROOT, "child:1", "wiped", "clean_shutdown_file"),
            (STORE, "extra:1", "survives", ""),
        ],
    );
}

#[test]
fn without_a_clean_shutdown_file_everything_stays() {
    let node = Node::new("clean_shutdown_file = ''").with_wipe_unit();
    node.copy("other", INSIDE);
    node.lists(&format!("'{STORE}', '{INSIDE}'"), "");
    as_forecast(
        &node,
        &[
            (ROOT, "main:1", "survives", "clean_shutdown_file"),
            (ROOT, "child:1", "survives", "clean_shutdown_file"),
            (STORE, "extra:1", "survives", ""),
            (INSIDE, "other:1", "survives", "clean_shutdown_file"),
        ],
    );
}

#[test]
fn a_version_file_that_shows_no_reboot_keeps_what_the_repair_does_not_take() {
    for key in ["version_file = ''", "version_file = '/var/lib/crio/version'"] {
        let node = Node::new(key).with_wipe_unit();
        as_forecast(
            &node,
            &[
                (ROOT, "main:1", "survives", "version_file"),
                (ROOT, "child:1", "wiped", "internal_repair"),
                (STORE, "extra:1", "survives", ""),
            ],
        );
    }
}

#[test]
fn without_the_unit_crio_s_repair_takes_sound_images_built_on_those_of_a_store() {
    as_forecast(
        &Node::new(""),
        &[
            (ROOT, "main:1", "survives", "crio-wipe.service"),
            (ROOT, "child:1", "wiped", "internal_repair"),
            (STORE, "extra:1", "survives", ""),
        ],
    );
    as_forecast(
        &Node::new("internal_repair = false"),
        &[
            (ROOT, "main:1", "survives", "crio-wipe.service"),
            (ROOT, "child:1", "survives", "crio-wipe.service"),
            (STORE, "extra:1", "survives", ""),
        ],
    );
}

#[test]
fn a_store_with_malformed_layers_costs_crio_s_own_storage() {
    for (key, answer, setting) in
        [("", "wiped", "internal_repair"), ("internal_repair = false", "survives", "crio-wipe.service")]
    {
        let node = Node::new(key);
        // CRI-O starts with a sound store, which is damaged then.
        node.boot("start");
        node.write(&format!("{STORE}/overlay-layers/layers.json"), "{");
        let forecasts = forecasts(&json(&node.boot("storagectl doctor --format json || [ $? = 1 ]")));
        let of = |storage: &str, image: &str| &forecasts[&(storage.to_owned(), image.to_owned())];
        assert_eq!(*of(ROOT, "localhost/main:1"), (answer.to_owned(), setting.to_owned()));
        assert_eq!(of(STORE, "localhost/extra:1").0, "at-risk");
        boot_again(&node);
        left(&node, &forecasts);
    }
}

#[test]
fn the_images_of_an_imagestore_are_wiped_too() {
    let node = Node::new("").with_wipe_unit();
    fs_err::remove_dir(node.at("/var/lib/other")).unwrap();
    node.copy("other", "/var/lib/other");
    node.lists(&format!("'{STORE}'"), "imagestore = '/var/lib/other'");
    as_forecast(
        &node,
        &[
            (ROOT, "main:1", "wiped", "clean_shutdown_file"),
            (ROOT, "child:1", "wiped", "clean_shutdown_file"),
            ("/var/lib/other", "other:1", "wiped", "clean_shutdown_file"),
            (STORE, "extra:1", "survives", ""),
        ],
    );
}

#[test]
fn a_crio_that_has_not_started_or_was_stopped_cleanly_wipes_nothing() {
    let survive = [
        (ROOT, "main:1", "survives", "clean_shutdown_file"),
        (ROOT, "child:1", "survives", "clean_shutdown_file"),
        (STORE, "extra:1", "survives", ""),
    ];
    for before in ["", "start; kill $crio; wait $crio"] {
        let node = Node::new("").with_wipe_unit();
        let forecasts = forecasts(&json(&node.boot(&format!("{before}\nstoragectl doctor --format json"))));
        for (storage, image, answer, setting) in survive {
            let told = &forecasts[&(storage.to_owned(), format!("localhost/{image}"))];
            assert_eq!(*told, (answer.to_owned(), setting.to_owned()), "{before}, {image}");
        }
        boot_again(&node);
        left(&node, &forecasts);
    }
}

#[test]
fn a_crio_that_does_not_start_wipes_as_soon_as_it_does() {
    let node = Node::new("").with_wipe_unit();
    node.boot("start");
    node.lists(&format!("'{STORE}', '/usr/lib/gone'"), "");
    let forecasts = forecasts(&json(&node.boot("storagectl doctor --format json || [ $? = 1 ]")));
    let main = (ROOT.to_owned(), "localhost/main:1".to_owned());
    assert_eq!(forecasts[&main].0, "at-risk");
    boot_again(&node);
    assert!(node.images_in(ROOT).contains(&main.1));
    node.lists(&format!("'{STORE}'"), "");
    boot_again(&node);
    assert_eq!(node.images_in(ROOT), Vec::<String>::new());
}

#[test]
fn the_storage_of_other_engines_stays_if_crio_has_its_own() {
    let node = Node::new("root = '/var/lib/other'").with_wipe_unit();
    fs_err::remove_dir(node.at("/var/lib/other")).unwrap();
    node.copy("other", "/var/lib/other");
    as_forecast(
        &node,
        &[
            (ROOT, "main:1", "survives", "root"),
            (ROOT, "child:1", "survives", "root"),
            ("/var/lib/other", "other:1", "wiped", "clean_shutdown_file"),
            (STORE, "extra:1", "survives", ""),
        ],
    );
}

#[test]
fn what_doctor_says_would_make_images_safe_does() {
    let node = Node::new("").with_wipe_unit();
    let page = ask(&node);
    let main =
        page["images"].as_array().unwrap().iter().find(|image| image["names"][0] == "localhost/main:1");
    let safe: Vec<&str> =
        main.unwrap()["safe"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let or = safe.iter().position(|line| *line == "# or:").unwrap();
    let copy = safe[..or].join("\n").replace("--restart ", "");
    node.boot(&format!("start\n({copy}) >&2"));
    boot_again(&node);
    assert_eq!(node.images_in("/var/lib/images"), ["localhost/main:1"]);
    assert_eq!(node.images_in(ROOT), Vec::<String>::new());

    let node = Node::new("").with_wipe_unit();
    node.boot(&format!("start\n{}", safe[or..].join("\n")));
    boot_again(&node);
    assert!(node.images_in(ROOT).contains(&"localhost/main:1".to_owned()));

    // The image that only the repair would take.
    let node = Node::new("");
    let page = ask(&node);
    let child =
        page["images"].as_array().unwrap().iter().find(|image| image["names"][0] == "localhost/child:1");
    let safe = child.unwrap()["safe"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    node.boot(&safe.collect::<Vec<_>>().join("\n"));
    boot_again(&node);
    assert!(node.images_in(ROOT).contains(&"localhost/child:1".to_owned()));
}

#[test]
fn what_was_just_written_is_at_risk_until_it_has_had_time() {
    let node = Node::new("clean_shutdown_file = ''");
    node.boot(&format!("touch {ROOT}/overlay-images/*"));
    let forecasts = forecasts(&ask(&node));
    let main = (ROOT.to_owned(), "localhost/main:1".to_owned());
    assert_eq!(forecasts[&main].0, "at-risk", "{forecasts:?}");
}

#[test]
fn podman_s_repair_deletes_the_sound_image_of_which_doctor_warns() {
    let node = Node::new("");
    let page = json(&node.boot("storagectl doctor --format json"));
    let finding = page["findings"].as_array().unwrap().iter().find(|it| it["id"] == "repair-deletes");
    assert!(finding.unwrap()["message"].as_str().unwrap().contains("`localhost/child:1`"), "{page}");
    // It asks for a network at its start, which this needs none of.
    let network = "mkdir -p /usr/libexec/podman; ln -sf /bin/true /usr/libexec/podman/netavark";
    node.boot(&format!("{network}; /mnt/podman-5 system check --quick --repair >&2 || echo failed"));
    assert_eq!(node.images_in(ROOT), ["localhost/main:1"]);
}

#[test]
fn asking_writes_nothing() {
    let node = Node::new("").with_wipe_unit();
    node.boot("start");
    let places = [ROOT, STORE, "/etc/containers", "/etc/crio", "/var/lib/crio"];
    let stamps = || places.map(|place| stamps(&node.at(place)));
    let before = stamps();
    let page = json(&node.boot("storagectl doctor --format json"));
    assert_eq!(forecasts(&page).len(), 3);
    assert!(stamps() == before);
}

#[test]
fn a_store_in_memory_is_empty_after_a_reboot() {
    let node = Node::new("");
    node.lists("'/run/store'", "");
    let page = node.boot(&format!("cp -a {STORE} /run/store; storagectl doctor --format json"));
    let extra = ("/run/store".to_owned(), "localhost/extra:1".to_owned());
    assert_eq!(forecasts(&json(&page))[&extra].0, "wiped");
    assert_eq!(node.boot("ls /run/store 2>/dev/null || echo gone"), "gone\n");
}

#[test]
fn a_crio_that_runs_with_an_older_configuration_is_told() {
    let node = Node::new("");
    let printed = node.boot(
        "start
        storagectl doctor --format json
        echo ---
        echo '# changed' >> /etc/containers/storage.conf
        touch -d '1 day ago' /etc/containers/storage.conf
        storagectl doctor --format json",
    );
    let older = |printed: &str| {
        let page = json(printed);
        assert_eq!(page["crio"]["runs"], true);
        let found = page["findings"].as_array().unwrap().iter().any(|it| it["id"] == "crio-older-config");
        (found, page["crio"]["changed_since"].clone())
    };
    let (before, after) = printed.split_once("---").unwrap();
    assert_eq!(older(before), (false, serde_json::json!([])));
    assert_eq!(older(after), (true, serde_json::json!(["/etc/containers/storage.conf"])));
}

#[test]
fn a_star_alone_in_pinned_images_stops_crio_as_doctor_says() {
    for (pattern, starts) in [("**", true), ("*", false)] {
        let node = Node::new("");
        node.write(
            "/etc/crio/crio.conf.d/20.conf",
            &format!("[crio.image]\npinned_images = ['{pattern}']\n"),
        );
        let printed = node.boot(
            "start
            kill -0 $crio 2>/dev/null && echo starts || echo stops
            storagectl doctor --format json || [ $? = 1 ]",
        );
        let (state, page) = printed.split_once('\n').unwrap();
        assert_eq!(state, if starts { "starts" } else { "stops" }, "{pattern}");
        let found = json(page)["findings"].as_array().unwrap().iter().any(|it| it["id"] == "pinned-pattern");
        assert_eq!(found, !starts, "{pattern}");
    }
}
