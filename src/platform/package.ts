// Locates the package's own files, from the sources and from the bundle that is built of them.
import { fileURLToPath } from 'node:url'

const isBundled = !import.meta.url.endsWith('.ts')
/** `src/`, or `dist/` in the package. */
const codeFolder = new URL(isBundled ? '.' : '..', import.meta.url)

/** @param path relative to the package's root: `config/llm-gateway.yaml`. */
export function packagePath(path: string): string {
  return fileURLToPath(new URL(`../${path}`, codeFolder))
}

/** Where npm installs the Node that the package is pinned to, relative to the package's root. */
export function pinnedNodePath(): string {
  return `node_modules/node-linux-${process.arch}/bin/node`
}
