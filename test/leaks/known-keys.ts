import { key as hostileKey } from '../attacks/hostilities.ts'
import { fuzzKey } from '../fuzz/fuzz.ts'
import { providerKey } from '../support/gateway-config.ts'

/** A key that stands nowhere by chance, with characters that encodings change. */
export const leakKey = 'Zq7/leak+Probe=41xW9'

/** What gateways of the test suites were given to keep. */
export const knownKeys: readonly string[] = [fuzzKey, hostileKey, leakKey, providerKey]
