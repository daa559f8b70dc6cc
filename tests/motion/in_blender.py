"""Program for a Python with `bpy`: the joints of animation files as Blender imports them.

    python in_blender.py REQUEST.json RESULT.npz

The request maps the path of each .bvh or .glb file to the times at which to look, in seconds of
the file. The result has for each path the heads of all bones, then the tail of the bone Head, as
`[people, t, bones + 1, 3]` in metres and Blender's axes (z up), and the names of the bones.
"""

import json
import sys

import bpy
import numpy as np

FPS = 50


def main(request: str, result: str):
    with open(request) as file:
        wanted = json.load(file)
    found = {}
    for path, times in wanted.items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bpy.context.scene.render.fps = FPS
        if path.endswith(".bvh"):
            bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, use_fps_scale=True)
            start = 1
        else:
            bpy.ops.import_scene.gltf(filepath=path)
            start = 0
        people = [o for o in bpy.data.objects if o.type == "ARMATURE"]
        people.sort(key=lambda person: person.name)
        found[path] = joints(people, [start + time * FPS for time in times])
        found[path + " names"] = [bone.name for bone in people[0].pose.bones]
    np.savez(result, **found)


def joints(people, frames):
    places = []
    for frame in frames:
        whole = int(frame // 1)
        bpy.context.scene.frame_set(whole, subframe=frame - whole)
        graph = bpy.context.evaluated_depsgraph_get()
        for person in people:
            shown = person.evaluated_get(graph)
            bones = shown.pose.bones
            points = [bone.head for bone in bones] + [bones["Head"].tail]
            places.append([shown.matrix_world @ point for point in points])
    return np.swapaxes(np.reshape(places, (len(frames), len(people), -1, 3)), 0, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
