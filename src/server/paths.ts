// Paths as clients write them: base URLs are set with too much, and Azure's SDKs have paths of their own. Where it is plain
// which route is meant, the target is rewritten before it is routed.

/** `/openai/deployments/NAME/chat/completions`; the deployment is the model. */
export const deploymentPrefix = '/openai/deployments/:deployment'

const deployments = '/openai/deployments/'
/** Azure's newer path, which Groq has as well, and its older one for what is of no deployment. */
const azurePrefix = /^(?:\/v1)*\/openai(?:\/v1)*(?=\/|$)/
const repeatedPrefix = /^(?:\/v1)+(?=\/|$)/

/**
 * The target that is routed, for a target as it was received.
 * @param endpoints paths of the dialects, below `/v1`.
 */
export function targetReader(endpoints: readonly string[]): (target: string) => string {
  const longestFirst = endpoints.toSorted((one, other) => other.length - one.length)
  return (target) => {
    // Most targets are as they should be.
    if (!target.startsWith('/v1/v1') && !target.startsWith('/openai') && !target.startsWith('/v1/openai')) {
      return target
    }
    const [path, query] = splitTarget(target)
    const azure = azurePrefix.exec(path)?.[0]
    if (azure === undefined) return path.replace(repeatedPrefix, '/v1') + query
    const below = path.slice(azure.length)
    const ownPath = below.startsWith('/deployments/')
      ? deploymentPath(`/openai${below}`, longestFirst)
      : `/v1${below}`
    // The version is that of Azure's paths, which end here.
    return ownPath + query.replaceAll(/(?<=[?&])api-version=[^&]*&?/g, '').replace(/[?&]$/, '')
  }
}

/** Some SDKs write the slashes of a name as they are; the router takes one segment. */
function deploymentPath(path: string, endpoints: readonly string[]): string {
  const plain = path.replace(/\/$/, '')
  const endpoint = endpoints.find(
    (each) => plain.endsWith(each) && plain.length > deployments.length + each.length,
  )
  // The router decodes: only the name may be encoded, and what is no endpoint as it is written must not become one.
  if (endpoint === undefined) return path.replaceAll('%', '%25')
  const name = plain.slice(deployments.length, -endpoint.length)
  return deployments + name.replaceAll('/', '%2F') + endpoint
}

/** Path and query, the latter with its `?` or empty. */
export function splitTarget(target: string): [path: string, query: string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)]
}

const naming = /^(?:\/v1)*(?:\/openai\/deployments\/.|(?:\/openai)?(?:\/v1)*\/models\/.)/

/** Whether a path may name a model, in which characters are percent-encoded. */
export function mayNameModel(path: string): boolean {
  return naming.test(path)
}

/** A path of Anthropic's API below its messages. */
export function isMessagesPath(target: string): boolean {
  return /^(?:\/v1)*\/messages(?:[/?]|$)/.test(target)
}

/** A path of Ollama's own API, whose clients read errors of its form. */
export function isOllamaPath(target: string): boolean {
  return /^(?:\/v1)?\/api(?:[/?]|$)/.test(target)
}

/** What passes to a provider that the path names. */
export function isProviderPath(target: string): boolean {
  return target.startsWith('/providers/')
}

/** What shows the gateway itself: the metrics, the status page and all below it. */
export function isViewPath(target: string): boolean {
  return /^\/(?:metrics|status)(?:[/?]|$)/.test(target)
}
