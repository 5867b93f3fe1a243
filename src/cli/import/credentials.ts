// What of another program's configuration may be a credential. A literal one is never copied: it leaves the file for
// `secret set`.

/** What people write where a client insists on a key and the server does not. */
const placeholders =
  /^(?:none|null|no|na|n\/a|-|x+|empty|dummy|fake|test|key|any(?:thing)?|placeholder|unused|ollama|local|lm-?studio|llama\.?cpp|llama-swap|vllm|no-?key(?:-?(?:needed|required))?|not-?(?:needed|required|used)|sk-no-key-required|sk-(?:dummy|fake|none|x+))$/i

/** True for a text that stands in place of a key at servers that ask for none. */
export function isPlaceholder(text: string): boolean {
  return placeholders.test(text.trim())
}

/** Forms of known credentials: of providers, of code hosts, tokens, URLs with a user, and hexadecimal of 16 bytes and more. */
const forms = [
  /(?<![A-Za-z0-9])(?:sk|gsk)[-_][\w.-]{6,}/gi,
  /(?<![A-Za-z0-9])(?:pk|rk|hf|xai|r8|pplx|key|csk|nvapi|tgp|fw|glpat|ghp|gho|ghs|github_pat|tskey|xox[abp]|sess)[-_][\w.-]{12,}/gi,
  /(?<![A-Za-z0-9])(?:AIza[\w-]{20,}|AKIA[A-Z0-9]{12,}|eyJ[\w-]{8,}\.[\w-]{4,})/g,
  /(?:authorization|x-api-key)["']?\s*[:=]\s*\S+/gi,
  /(?<![A-Za-z])bearer\s+[\w.~+/-]{6,}/gi,
  /:\/\/[^/\s@]*@/g,
  /(?<![A-Za-z0-9])[A-Fa-f0-9]{32,}(?![A-Za-z0-9])/g,
  /-----BEGIN [^]*/g,
]

/** `API_KEY=x` and `--api-key x` within a longer text. */
const assignment = /([\w-]{1,64})(?:=|["']?\s*:\s*)(?=[^\s&=])|--?([\w-]{1,64})\s+(?=[^\s-])/g

/** True for a text that has the form of a credential, or contains one. */
export function looksLikeCredential(text: string): boolean {
  if (forms.some((form) => text.search(form) >= 0)) return true
  for (const [, name, option] of text.matchAll(assignment)) {
    if (namesCredential(name ?? option ?? '')) return true
  }
  return false
}

/** A line of a report, without what has the form of a credential or is one of the source. */
export function withoutCredentials(line: string, withheld: { maskedIn(text: string): string }): string {
  let text = withheld.maskedIn(line)
  for (const form of forms) text = text.replaceAll(form, '…')
  return text
}

/** False for short texts and plain words, which occur in ordinary text. */
export function isTelling(credential: string): boolean {
  return (
    credential.length >= 8 && !isPlaceholder(credential) && !/^[a-z]+(?:[-_. ][a-z]+)*$/i.test(credential)
  )
}

const words =
  /(?:^|[-_.\s])(?:api)?[-_]?(?:keys?|tokens?|secrets?|passwords?|passwd|passphrase|pass|pwd|credentials?|auth|authorization|cookie|sig|signature|bearer)(?:$|[-_.\s])|(?:password|passwd|token|secret)(?:$|[-_.\s])|api[-_]?key|auth[-_]?key|masterkey|accesskey|secretkey/i
/** Counts of tokens, and files that hold keys. */
const notSecret =
  /(?:^|[-_.\s])(?:(?:max|min|num|total|completion|prompt|input|output|reasoning|budget|new)[-_]?tokens?|tokens?[-_](?:limit|budget|per)|per[-_]token|tokenizer|cache[-_]key)(?:$|[-_.\s])|[-_]file$/i

/** True for names of settings whose value is a credential. */
export function namesCredential(name: string): boolean {
  const parts = name.replaceAll(/([a-z])([A-Z])/g, '$1_$2')
  return words.test(parts) && !notSecret.test(parts)
}

const plainHeaders =
  /^(?:user-agent|referer|http-referer|x-title|anthropic-version|anthropic-beta|openai-(?:organization|project|beta)|accept(?:-language)?)$/i

/** True for a header that may stand in the file: its name is known for holding no secret, and its value has no form of one. */
export function isPlainHeader(name: string, value: string): boolean {
  // The query of an address may hold one.
  return plainHeaders.test(name) && !looksLikeCredential(value) && !value.includes('?')
}
