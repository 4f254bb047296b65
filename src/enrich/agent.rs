//! Families of user agents: what acted, without the versions that change every week.
//!
//! Small and careful on purpose: a text that no rule knows gives the name of its first product (RFC 9110 §10.1.5), never a guess.

/// Longest family.
const MAX_FAMILY: usize = 64;

/// Tools that name themselves behind the library that they use: a part of the text in lower case, and the family.
const TOOLS: &[(&str, &str)] = &[
    ("terraform", "Terraform"),
    ("opentofu", "OpenTofu"),
    ("pulumi", "Pulumi"),
    ("ansible", "Ansible"),
    ("gcloud/", "gcloud"),
    ("command/gcloud", "gcloud"),
    ("azurecli/", "Azure CLI"),
    ("azure-cli/", "Azure CLI"),
    ("azurepowershell/", "Azure PowerShell"),
    ("okta mobile", "Okta Mobile"),
    ("oktaverify/", "Okta Verify"),
    ("okta verify", "Okta Verify"),
    ("headlesschrome/", "Headless Chrome"),
];

/// Browsers by a token of their own; those built upon another name that one too and so stand before it.
const BROWSERS: &[(&str, &str)] = &[
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("edge/", "Edge"),
    ("opr/", "Opera"),
    ("opera", "Opera"),
    ("vivaldi/", "Vivaldi"),
    ("yabrowser/", "Yandex"),
    ("samsungbrowser/", "Samsung Internet"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("crios/", "Chrome"),
    ("chrome/", "Chrome"),
    ("trident/", "Internet Explorer"),
    ("msie ", "Internet Explorer"),
];

/// Systems by a part of the text; phones name the system that theirs is made from too.
const SYSTEMS: &[(&str, &str)] = &[
    ("windows", "Windows"),
    ("android", "Android"),
    ("iphone", "iOS"),
    ("ipad", "iOS"),
    ("cros ", "ChromeOS"),
    ("mac os x", "macOS"),
    ("macintosh", "macOS"),
    ("linux", "Linux"),
];

/// The family of a user agent; `None` for an empty text.
pub fn family(agent: &str) -> Option<String> {
    let agent = agent.trim().trim_start_matches(['[', '"']).trim_end_matches([']', '"']).trim();
    if agent.is_empty() {
        return None;
    }
    let lower = agent.to_ascii_lowercase();
    let first = |list: &[(&str, &'static str)]| list.iter().find(|(token, _)| lower.contains(token)).map(|(_, name)| *name);
    if let Some(tool) = first(TOOLS) {
        return Some(tool.to_owned());
    }
    if lower.starts_with("mozilla/") || lower.starts_with("opera/") {
        // A robot says so where a browser says what it is compatible with.
        if let Some(robot) = robot(agent, &lower) {
            return Some(robot);
        }
        let safari = || (lower.contains("version/") && lower.contains("safari/")).then_some("Safari");
        if let Some(browser) = first(BROWSERS).or_else(safari) {
            return Some(first(SYSTEMS).map_or_else(|| browser.to_owned(), |system| format!("{browser} on {system}")));
        }
    }
    Some(product(agent))
}

/// The name of a robot: the product after `compatible;` that is no browser's.
fn robot(agent: &str, lower: &str) -> Option<String> {
    let at = lower.find("compatible;")? + "compatible;".len();
    let name = product(agent.get(at..)?.trim_start());
    let is_robot = ["bot", "crawl", "spider", "slurp"].iter().any(|w| name.to_ascii_lowercase().contains(w));
    is_robot.then_some(name)
}

/// The first product's name: up to its version, or to what follows it in brackets.
fn product(agent: &str) -> String {
    let end = agent.find(['/', '(', ';', ',', '[']).unwrap_or(agent.len());
    let mut name = String::new();
    for word in agent[..end].split_whitespace().take_while(|w| !is_version(w)) {
        if name.len() + word.len() >= MAX_FAMILY {
            break;
        }
        if !name.is_empty() {
            name.push(' ');
        }
        name.push_str(word);
    }
    if name.is_empty() { agent.chars().take_while(|c| !c.is_whitespace()).take(MAX_FAMILY).collect() } else { name }
}

fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix(['v', 'V']).unwrap_or(word);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'))
}

#[cfg(test)]
mod tests {
    use super::family;

    #[test]
    fn families_have_no_versions() {
        for (agent, expected) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", "Chrome on Windows"),
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Safari/605.1.15", "Safari on macOS"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/120.0 Mobile/15E148 Safari/604.1",
                "Chrome on iOS",
            ),
            ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0", "Firefox on Linux"),
            ("Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0 Mobile Safari/537.36", "Chrome on Android"),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
            ("Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.1; Trident/6.0)", "Internet Explorer on Windows"),
            ("Mozilla/5.0", "Mozilla"),
            ("aws-cli/2.13.5 Python/3.11.4 Linux/5.10 exe/x86_64 prompt/off command/s3.ls", "aws-cli"),
            ("[aws-cli/1.16 Python/2.7 Linux/4.4]", "aws-cli"),
            ("Boto3/1.26.3 Python/3.8.10 Linux/5.15 Botocore/1.29.3", "Boto3"),
            ("aws-sdk-go/1.44.0 (go1.19; linux; amd64) APN/1.0 HashiCorp/1.0 Terraform/1.3.0", "Terraform"),
            ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 (+https://www.terraform.io) terraform-provider-aws/5.1", "Terraform"),
            ("curl/8.4.0", "curl"),
            ("python-requests/2.31.0", "python-requests"),
            ("okta mobile/3.20.1 (com.okta.mobile; iOS 17)", "Okta Mobile"),
            ("console.amazonaws.com", "console.amazonaws.com"),
            ("S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.1030", "S3Console"),
            ("kubectl/v1.27.3 (linux/amd64) kubernetes/25b4e43", "kubectl"),
            ("google-cloud-sdk gcloud/440.0.0 command/gcloud.compute,gzip(gfe)", "gcloud"),
            ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0)", "Microsoft Office"),
            ("MyApp 2.1.0 build", "MyApp"),
            ("7zip", "7zip"),
        ] {
            assert_eq!(family(agent).as_deref(), Some(expected), "{agent}");
        }
        assert_eq!(family(" "), None);
        assert_eq!(family("[]"), None);
        assert!(family(&"ä".repeat(1000)).is_some_and(|f| f.chars().count() <= 64));
    }
}
