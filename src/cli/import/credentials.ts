// What of another program's configuration may be a credential. A literal one is never copied: it leaves the file for
// `secret set`.

/** What people write where a client insists on a key and the server does not. */
const placeholders =
  /^(?:none|null|no|na|n\/a|-|x+|empty|dummy|fake|test|key|any(?:thing)?|placeholder|unused|ollama|local|lm-?studio|llama\.?cpp|llama-swap|vllm|no-?key(?:-?(?:needed|required))?|not-?(?:needed|required|used)|sk-no-key-required|sk-(?:dummy|fake|none|x+))$/i

/** True for a text that stands in place of a key at servers that ask for none. */
export function isPlaceholder(text: string): boolean {
  return placeholders.test(text.trim())
}

/** Forms of known credentials: of providers, of code hosts, tokens, and hexadecimal or base64 of 16 bytes and more. */
const forms = [
  /(?<![A-Za-z0-9])(?:sk|gsk)[-_][\w.-]{6,}/i,
  /(?<![A-Za-z0-9])(?:pk|rk|hf|xai|r8|pplx|key|csk|nvapi|tgp|fw|glpat|ghp|gho|ghs|github_pat|xox[abp]|sess)[-_][\w.-]{12,}/i,
  /(?<![A-Za-z0-9])(?:AIza[\w-]{20,}|AKIA[A-Z0-9]{12,}|eyJ[\w-]{8,}\.[\w-]{4,})/,
  /^\s*(?:bearer|basic|token)\s+\S/i,
  /:\/\/[^/\s@]*@/,
  /(?<![A-Za-z0-9])[A-Fa-f0-9]{32,}(?![A-Za-z0-9])/,
  /[?&;](?:[\w-]*(?:key|token|secret|password|signature))=[^&]/i,
  /-----BEGIN /,
]

/** True for a text that has the form of a credential, or contains one. */
export function looksLikeCredential(text: string): boolean {
  return forms.some((form) => form.test(text))
}

/** True for names of settings whose value is a credential. */
export function namesCredential(name: string): boolean {
  return /(?:^|[-_.\s])(?:api)?[-_]?(?:keys?|tokens?|secrets?|passwords?|passwd|passphrase|credentials?|auth|authorization|cookie|signature|bearer)(?:$|[-_.\s])|apikey|masterkey|accesskey|secretkey/i.test(
    name.replaceAll(/([a-z])([A-Z])/g, '$1_$2'),
  ) && !/(?:max|min|num|total|completion|prompt|input|output|reasoning|budget)[-_]?tokens?|tokens?[-_](?:limit|budget|per)|per[-_]token|tokenizer/i.test(name)
}
