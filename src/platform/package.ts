// Locates the package's own files, from the sources and from the bundle that is built of them.
import { fileURLToPath } from 'node:url'

const isBundled = !import.meta.url.endsWith('.ts')
/** `src/`, or `dist/` in the package. */
const codeFolder = new URL(isBundled ? '.' : '..', import.meta.url)

/** Set by `scripts/build.ts`; a checkout has none. */
declare const buildDay: string | undefined

/**
 * When the day began on which the release was built, in milliseconds since 1970: a clock that shows an earlier time is wrong.
 * -Infinity in a checkout.
 */
export function builtAtMs(): number {
  return typeof buildDay === 'string' ? Date.parse(buildDay) : -Infinity
}

/** @param path relative to the package's root: `config/llm-gateway.yaml`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, codeFolder))
}

/** Where npm installs the Node that the package is pinned to, relative to the package's root. */
export function pinnedNodePath(): string {
  return `node_modules/node-linux-${process.arch}/bin/node`
}
