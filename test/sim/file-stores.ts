/** The stores of production as a life of a node opens them, on its simulated disk. */
import { FileSnapshotStore } from "../../cluster/log/file-snapshot-store.js";
import { SegmentLog } from "../../cluster/log/segment-log.js";
import { SegmentStore } from "../../src/store/segment-store.js";
import type { FilesProfile } from "./disk-profile.js";
import { type Mount, SimLogDisk, SimStoreDisk } from "./sim-file-ports.js";

/** As src/replica/data-directory.ts lays it out. */
export const GROUP_DIRECTORY = "/groups/0";
export const LOG_DIRECTORY = `${GROUP_DIRECTORY}/log`;
export const SNAPSHOT_DIRECTORY = `${GROUP_DIRECTORY}/snapshots`;
export const MESSAGE_DIRECTORY = `${GROUP_DIRECTORY}/messages`;

const GROUP = 0;

/** What the stores of one life stand on. */
export interface FileBase {
  readonly mount: Mount;
  readonly sizes: FilesProfile;
}

export function fileLog({ mount, sizes }: FileBase): SegmentLog {
  return new SegmentLog({
    dir: LOG_DIRECTORY,
    group: GROUP,
    segmentBytes: sizes.logSegmentBytes,
    cacheBytesMax: sizes.logCacheBytesMax,
    durability: "fsync",
    disk: new SimLogDisk(mount),
  });
}

export function fileSnapshots({ mount }: FileBase): FileSnapshotStore {
  return new FileSnapshotStore({ dir: SNAPSHOT_DIRECTORY, group: GROUP, disk: new SimLogDisk(mount) });
}

export function fileMessages({ mount, sizes }: FileBase): SegmentStore {
  return new SegmentStore({
    dir: GROUP_DIRECTORY,
    segmentBytes: sizes.messageSegmentBytes,
    recentBytesMax: sizes.recentBytesMax,
    disk: new SimStoreDisk(mount),
  });
}
