// Counters that several threads share, first from one thread.
import { createSharedStore, SharedStore } from '../../src/admission/shared-store.ts'
import { SharedMemory } from '../../src/shared-memory.ts'
import { testAdmissionStore } from '../contracts/admission-store.ts'

testAdmissionStore('shared store', () => {
  const place = createSharedStore(3)
  return new SharedStore(new SharedMemory(place.buffer, 1), place)
})
