"""Stable Diffusion web UI, started with --api: txt2img, img2img and extra-single-image, one blocking call each.

HTTP Basic is optional, as without --api-auth; a name and password that are sent are checked. Fields that the real
server ignores are refused. save_images (in a request) has a grid stand before several images. An interrupted call
answers with what it has: image_result with "empty".
"""

import base64
import binascii
import json
import random

import formats
import results
from checks import Array, Boolean, Integer, Nullable, Number, Object, Refused, Text
from reply import json_reply
from .base import Protocol

SAMPLERS = ("Euler", "Euler a", "DPM++ 2M", "DPM++ 2M Karras", "DPM++ SDE", "DDIM", "UniPC")
UPSCALERS = ("None", "Lanczos", "Nearest", "ESRGAN_4x", "LDSR", "R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B", "SwinIR 4x")
CHECKPOINTS = ("v1-5-pruned-emaonly", "sd_xl_base_1.0")
LONGEST_EDGE = 2048


class Dimension(Integer):
    def __init__(self):
        Integer.__init__(self, 64, LONGEST_EDGE)

    def check_value(self, name, value):
        Integer.check_value(self, name, value)
        if value % 8:
            raise Refused("'%s' is no multiple of 8: %d" % (name, value), "value_error", name, 422)


COMMON = {
    "prompt": Text(), "negative_prompt": Text(), "styles": Array(), "seed": Integer(-1), "subseed": Integer(-1),
    "subseed_strength": Number(), "sampler_name": Nullable(Text()), "sampler_index": Text(), "scheduler": Text(),
    "batch_size": Integer(1), "n_iter": Integer(1), "steps": Integer(1, 150), "cfg_scale": Number(),
    "width": Dimension(), "height": Dimension(), "restore_faces": Boolean(), "tiling": Boolean(),
    "eta": Number(), "denoising_strength": Number(), "override_settings": Object(),
    "override_settings_restore_afterwards": Boolean(), "script_name": Nullable(Text()), "script_args": Array(),
    "send_images": Boolean(), "save_images": Boolean(), "alwayson_scripts": Object(), "comments": Object()}
TXT2IMG = dict(COMMON, enable_hr=Boolean(), hr_scale=Number(), hr_upscaler=Text(), hr_second_pass_steps=Integer(0),
               hr_resize_x=Integer(0), hr_resize_y=Integer(0))
IMG2IMG = dict(COMMON, init_images=Array(), mask=Nullable(Text()), mask_blur=Integer(0), resize_mode=Integer(0, 3),
               inpainting_fill=Integer(0, 3), inpaint_full_res=Boolean(), inpaint_full_res_padding=Integer(0),
               inpainting_mask_invert=Integer(0, 1), include_init_images=Boolean(), image_cfg_scale=Number(),
               initial_noise_multiplier=Number())
EXTRAS = {"image": Text(empty=False), "resize_mode": Integer(0, 1), "show_extras_results": Boolean(),
          "gfpgan_visibility": Number(), "codeformer_visibility": Number(), "codeformer_weight": Number(),
          "upscaling_resize": Number(), "upscaling_resize_w": Integer(1), "upscaling_resize_h": Integer(1),
          "upscaling_crop": Boolean(), "upscaler_1": Text(), "upscaler_2": Text(),
          "extras_upscaler_2_visibility": Number(), "upscale_first": Boolean()}


def check(values, fields):
    for name, value in values.items():
        if name not in fields:
            raise Refused("extra fields not permitted", "value_error.extra", name, 422)
        try:
            fields[name].check(name, value)
        except Refused as refused:
            raise Refused(refused.message, "value_error", name, 422)


def read_base64(text):
    """Bare base64 or a data: URI, as the server decodes them."""
    if text.startswith(("http://", "https://")):
        raise Refused("Requests not allowed", status=500)
    try:
        return formats.read(base64.b64decode(text.partition(",")[2] if text.startswith("data:image/") else text,
                                             validate=True))
    except (binascii.Error, ValueError, formats.BadImage):
        raise Refused("Invalid encoded image", status=500)


def check_settings(values):
    if values.get("sampler_name", "Euler") not in SAMPLERS:
        raise Refused("Sampler not found", status=404)


def checkpoint_of(values):
    """One that it doesn't know is passed over without a word."""
    wanted = values.get("override_settings", {}).get("sd_model_checkpoint")
    return wanted if wanted in CHECKPOINTS else CHECKPOINTS[0]


class Automatic1111(Protocol):
    name = "automatic1111"
    routes = (("POST", r"/sdapi/v1/txt2img", "txt2img"), ("POST", r"/sdapi/v1/img2img", "img2img"),
              ("POST", r"/sdapi/v1/extra-single-image", "extra"), ("GET", r"/sdapi/v1/progress", "progress"),
              ("POST", r"/sdapi/v1/interrupt", "interrupt"))

    # ---- who asks ----

    def authorize(self, call):
        header = call.request.header("Authorization")
        if header is None:
            return
        scheme, _, packed = header.partition(" ")
        try:
            pair = base64.b64decode(packed, validate=True).decode("utf-8") if scheme == "Basic" else ""
        except ValueError:
            pair = ""
        user, colon, password = pair.partition(":")
        call.session.remember_key(packed)
        call.session.remember_key(pair)
        if not colon or not password or "bad" in pair:
            raise Refused("Incorrect username or password: %s (%s)" % (pair, header), "unauthorized", None, 401)

    # ---- calls ----

    def txt2img(self, call):
        values = call.json_object()
        check(values, TXT2IMG)
        check_settings(values)
        return self.draw(call, values)

    def img2img(self, call):
        values = call.json_object()
        check(values, IMG2IMG)
        check_settings(values)
        if not values.get("init_images"):
            raise Refused("Init image not found", status=404)
        for text in values["init_images"] + ([values["mask"]] if values.get("mask") else []):
            Text().check("init_images", text)
            read_base64(text)
        return self.draw(call, values, ("init_images", "mask"))

    def draw(self, call, values, hidden=()):
        seed = values.get("seed", -1)
        if seed < 0:
            seed = random.randrange(4294967294)
        count = values.get("batch_size", 1) * values.get("n_iter", 1)
        size = "%dx%d" % (values.get("width", 512), values.get("height", 512))
        pictures = results.make_pictures(call, values.get("prompt", ""), count, size)
        pictures = pictures[:max(0, count - call.behaviour.get("drop_items", 0))]
        images = [results.base64_text(call, picture) for picture in pictures]
        has_grid = values.get("save_images", False) and count > 1
        if has_grid:
            grid = results.make_pictures(call, "the grid", 1, size)
            images.insert(0, results.base64_text(call, grid[0]))
        if call.option("image_result").get("empty") or not values.get("send_images", True):
            images = []
        told = dict(values, **{name: None for name in hidden if name in values})
        return json_reply({"images": images, "parameters": told,
                           "info": json.dumps(self.describe(values, seed, count, has_grid))})

    def describe(self, values, seed, count, has_grid):
        infotext = "%s\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: %d" % (values.get("prompt", ""), seed)
        return {"prompt": values.get("prompt", ""), "all_prompts": [values.get("prompt", "")] * count,
                "negative_prompt": values.get("negative_prompt", ""), "seed": seed,
                "all_seeds": [seed + place for place in range(count)], "width": values.get("width", 512),
                "height": values.get("height", 512), "sampler_name": values.get("sampler_name", "Euler"),
                "cfg_scale": values.get("cfg_scale", 7.0), "steps": values.get("steps", 50),
                "batch_size": values.get("batch_size", 1), "sd_model_name": checkpoint_of(values),
                "sd_model_hash": "6ce0161689", "index_of_first_image": int(has_grid),
                "infotexts": [infotext] * (count + has_grid), "styles": values.get("styles", []),
                "job_timestamp": "20261120120000", "clip_skip": 1, "version": "v1.10.1"}

    def extra(self, call):
        values = call.json_object()
        check(values, EXTRAS)
        image = read_base64(values.get("image", ""))
        for name in ("upscaler_1", "upscaler_2"):
            if values.get(name, "None") not in UPSCALERS:
                raise Refused("", "AssertionError", "could not find upscaler named %s" % values[name], 500)
        size = "%dx%d" % self.extra_size(values, image)
        picture = results.make_pictures(call, "upscaled", 1, size)[0]
        return json_reply({"html_info": "<p>Postprocess upscale by: 2</p>",
                           "image": results.base64_text(call, picture)})

    def extra_size(self, values, image):
        if values.get("upscaler_1", "None") == "None":
            return image.width, image.height
        if values.get("resize_mode", 0) == 1:
            return values.get("upscaling_resize_w", 512), values.get("upscaling_resize_h", 512)
        factor = values.get("upscaling_resize", 2)
        return int(image.width * factor), int(image.height * factor)

    def progress(self, call):
        return json_reply({"progress": 0, "eta_relative": 0, "state": {"job_count": 0}, "current_image": None,
                           "textinfo": None})

    def interrupt(self, call):
        return json_reply({})

    # ---- refusals ----

    def error(self, refused):
        if refused.status == 401:
            return json_reply({"detail": refused.message}, 401, [("WWW-Authenticate", "Basic")])
        if refused.status == 422:
            return json_reply({"detail": [{"loc": ["body", refused.param], "msg": refused.message,
                                           "type": refused.code}]}, 422)
        if refused.status >= 500:
            exception = refused.code if refused.code.endswith("Error") else "HTTPException"
            return json_reply({"error": exception, "detail": refused.message, "body": "",
                               "errors": refused.param or ""}, refused.status)
        return json_reply({"detail": refused.message}, refused.status)

    def headers(self, call):
        return [("X-Process-Time", "1.234")]


PROTOCOL = Automatic1111()
